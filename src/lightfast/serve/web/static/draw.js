// Owns the drawing board: ink by pointer, and what the model sees in it after every stroke.
import { call } from "./api.js";
import { make, meter, on, part, percent, sayFailed } from "./say.js";

const board = part("board"), pen = /** @type {CanvasRenderingContext2D} */ (board.getContext("2d", { willReadFrequently: true }));
const dark = part("ink");
/** @type {[number, number][][]} */
let strokes = [];
let asking = /** @type {AbortController | null} */ (null);

function paint() {
  const [paper, ink] = dark.value === "white" ? ["#000", "#fff"] : ["#fff", "#000"];
  pen.fillStyle = paper;
  pen.fillRect(0, 0, board.width, board.height);
  Object.assign(pen, { strokeStyle: ink, fillStyle: ink, lineWidth: board.width / 14, lineCap: "round", lineJoin: "round" });
  for (const stroke of strokes) {
    pen.beginPath();
    for (const [x, y] of stroke) pen.lineTo(x, y);
    if (stroke.length === 1) pen.lineTo(stroke[0][0] + 0.1, stroke[0][1]);
    pen.stroke();
  }
}

/** @param {PointerEvent} event @returns {[number, number]} */
function place(event) {
  const box = board.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * board.width, ((event.clientY - box.top) / box.height) * board.height];
}

async function guess() {
  asking?.abort();
  const mine = (asking = new AbortController());
  try {
    // The server paints the strokes by the code that the model's drawings were painted by; the board only shows the ink.
    const said = await call("POST", "/api/predict/strokes?top=5", { strokes, ink: dark.value }, { signal: mine.signal });
    const rows = said.items[0].labels.map((/** @type {any} */ one) => make("li", {}, one.label, make("span", { className: "muted num", textContent: percent(one.probability) }), meter(one.probability)));
    part("guesses").replaceChildren(...rows);
  } catch (error) {
    sayFailed(error);
  }
}

board.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
  board.setPointerCapture(event.pointerId);
  strokes.push([place(event)]);
  paint();
});
board.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
  if (!board.hasPointerCapture(event.pointerId)) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) strokes[strokes.length - 1].push(place(one));
  paint();
});
board.addEventListener("pointerup", guess);
const again = (/** @type {[number, number][][]} */ left) => {
  strokes = left;
  paint();
  if (strokes.length) guess();
  else part("guesses").replaceChildren();
};
on("wipe", "click", () => again([]));
on("back", "click", () => again(strokes.slice(0, -1)));
on("ink", "change", () => again(strokes));
addEventListener("keydown", (event) => { if (event.key === "z" && strokes.length) again(strokes.slice(0, -1)); });
paint();
