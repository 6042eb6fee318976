// Owns the map of the library: the report's own map, with pictures by address and decisions through the REST.
import { get, newKey, post, viewOf } from "./api.js";
import { jobCard } from "./live.js";
// @ts-ignore  served from the report's own scripts
import { PictureMap } from "./picture_map.js";
import { counted, part, say, sayFailed } from "./say.js";

class LibraryMap extends PictureMap {
  /** @param {HTMLElement} root @param {any} data */
  constructor(root, data) {
    super(root, data);
  }

  /** Small pictures by address, as many as have been looked at. @param {CanvasRenderingContext2D} pen @param {number} row @param {number} x @param {number} y @param {number} side @param {() => void} [later] */
  thumb(pen, row, x, y, side, later) {
    this.views ??= new Map();
    let image = this.views.get(row);
    if (!image) {
      image = new Image();
      image.src = viewOf(this.data.asset_ids[row], 256);
      this.views.set(row, image);
      if (this.views.size > 2000) this.views.delete(this.views.keys().next().value);
    }
    if (!image.complete || !image.naturalWidth) {
      if (later) image.addEventListener("load", later, { once: true });
      return false;
    }
    const shrink = side / Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth * shrink, image.naturalHeight * shrink];
    pen.imageSmoothingEnabled = shrink < 1;
    pen.drawImage(image, x + (side - width) / 2, y + (side - height) / 2, width, height);
    return true;
  }
}

async function look() {
  const data = await get("/api/map");
  const empty = !data.n;
  part("nothing").hidden = !empty;
  part("map").hidden = empty;
  if (empty) return;
  part("map").classList.add("picture-map");
  const map = new LibraryMap(part("map"), { ...data, tiles: { columns: 1, width: 256, height: 256, sheets: [], held: data.n } });
  listen(map);
}

/** @param {any} map */
function listen(map) {
  map.find("decide").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    labelAll(map, map.find("label").value.trim()).catch(sayFailed);
  });
  const undo = () => post("/api/review/undo").then((said) => say(said.decision_ids.length ? `${counted(said.decision_ids.length, "decision")} taken back.` : "There is nothing to undo."), sayFailed);
  part("undo").addEventListener("click", undo);
  addEventListener("keydown", (event) => {
    if (event.key === "z" && !(/** @type {HTMLElement} */ (event.target).matches("input, select"))) undo();
  });
}

/** @param {any} map @param {string} name */
async function labelAll(map, name) {
  if (!name) return;
  const ids = map.rowsChosen.map((/** @type {number} */ row) => map.data.asset_ids[row]);
  const { items } = await get("/api/labels");
  const label = items.find((/** @type {any} */ one) => one.name === name) ?? (await post("/api/labels", { name }));
  const said = await post("/api/review/decide", { acts: ids.map((/** @type {number} */ asset_id) => ({ asset_id, act: "confirm", label_id: label.id, key: newKey() })) });
  const kept = said.kept.length ? ` ${said.kept.length} kept the decision of somebody else.` : "";
  map.choose([], "");
  say(`${counted(said.decision_ids.length, "picture")} labelled ${name}.${kept}`, { seconds: 8, act: "Undo", then: () => post("/api/review/undo").then((back) => say(`${counted(back.decision_ids.length, "decision")} taken back.`), sayFailed) });
}

part("make").addEventListener("click", () => {
  post("/api/map").then((job) => part("running").replaceChildren(jobCard(job, () => look().catch(sayFailed)))).catch(sayFailed);
});
look().catch(sayFailed);
