// Owns the one line at the foot of the page: what happened, what to do about it, and whether the server is away.

const line = /** @type {HTMLElement} */ (document.getElementById("say"));
let hiding = 0;
let away = false;

/**
 * Say one thing; the next one takes its place.
 * @param {string} text
 * @param {{kind?: "" | "failed" | "away", seconds?: number, act?: string, then?: () => void}} [more] `act`: the name of a button that calls `then`.
 */
export function say(text, { kind = "", seconds = kind === "failed" ? 12 : 5, act = "", then } = {}) {
  clearTimeout(hiding);
  line.className = `say ${kind}`;
  line.replaceChildren(make("span", { textContent: text }));
  if (act) line.append(make("button", { type: "button", textContent: act, onclick: () => (quiet(), then?.()) }));
  line.hidden = false;
  if (seconds) hiding = window.setTimeout(quiet, 1000 * seconds);
}

// On a narrow screen the row of pages scrolls: this page's own name is to be seen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

/** Take the line away. */
export function quiet() {
  line.hidden = true;
}

/** The server does not answer, or answers again. @param {boolean} is @param {string} [text] */
export function serverAway(is, text = "The server does not answer. Nothing is lost: trying again …") {
  if (is === away) return;
  away = is;
  if (is) say(text, { kind: "away", seconds: 0 });
  else say("The server is back.", { seconds: 3 });
}

/**
 * Whatever was thrown, as a line.
 * @param {unknown} error
 */
export function sayFailed(error) {
  const { name, message } = /** @type {Error} */ (error);
  if (name !== "AbortError") say(message, { kind: "failed" });
}

/**
 * A new element with properties and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/**
 * The part of the page with this id, or an error that names it.
 * @param {string} id
 * @returns {any}
 */
export function part(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no part #${id}`);
  return found;
}

/** A cell of a table. @param {string | Node} what @param {string} [name] of its class */
export const cell = (what, name = "") => make("td", { className: name }, what);

/** A cell with a number. @param {string | Node} what */
export const numeral = (what) => cell(what, "num");

/** A row of a table: its name, then its cells. @param {string} name @param {...Node} cells */
export const named = (name, ...cells) => make("tr", {}, make("th", { scope: "row", textContent: name }), ...cells);

/** Rows of a select or a datalist: values, or values with their texts. @param {(string | [string, string])[]} rows */
export const choices = (rows) => rows.map((row) => {
  const [value, textContent = value] = [row].flat();
  return make("option", { value, textContent });
});

/** A button; what its act throws is said. @param {string} text @param {() => unknown} act @param {string} [name] of its class */
export function button(text, act, name = "") {
  return make("button", { type: "button", className: name, textContent: text, onclick: () => tried(act) });
}

/** Do something when a form is sent, or a part of the page changes or is clicked; what it throws is said. @param {string} id @param {"submit" | "change" | "click" | "input"} kind @param {(event: any) => unknown} act */
export function on(id, kind, act) {
  part(id).addEventListener(kind, (/** @type {Event} */ event) => {
    if (kind === "submit") event.preventDefault();
    tried(() => act(event));
  });
}

/** Whether a key is for the page: nobody types, and it is held alone or with Shift. @param {KeyboardEvent} event */
export const isForPage = (event) => !event.ctrlKey && !event.metaKey && !event.altKey && !(/** @type {HTMLElement} */ (event.target).matches("input, select, textarea"));

/** The names and values of a list of facts, without those that are empty. @param {string} id of the list @param {[string, unknown][]} rows */
export function facts(id, rows) {
  const known = rows.filter(([, value]) => value !== "" && value != null);
  part(id).replaceChildren(...known.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: String(value) })]));
}

/** @param {() => unknown} act */
async function tried(act) {
  try {
    await act();
  } catch (error) {
    sayFailed(error);
  }
}

/** A bar of a share, 0..1. @param {number} share */
export function meter(share) {
  const bar = make("i");
  bar.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return make("span", { className: "meter", ariaHidden: "true" }, bar);
}
