// Owns the keyboard grid of the review page: a fixed number of cells, a cursor, a selection. A cell that was decided takes the next picture; no other one moves.
import { percent } from "./numbers.js";
import { make } from "./say.js";

/** @typedef {import("./queue.js").Entry} Entry */

const [LEAST, MOST, CAPTION, GAP] = [112, 190, 30, 8];

/** Columns and rows that leave the least height free. @param {number} width @param {number} high */
function fitting(width, high) {
  let best = { columns: 4, rows: 1, free: Infinity };
  for (let columns = Math.max(2, Math.floor(width / MOST)); columns <= width / LEAST; columns++) {
    const step = (width + GAP) / columns + CAPTION, rows = Math.max(1, Math.floor((high + GAP) / step));
    if (high - rows * step < best.free) best = { columns, rows, free: high - rows * step };
  }
  return best;
}

export class Cells {
  /** @param {HTMLElement} root @param {() => void} changed called when cursor or selection are others. */
  constructor(root, changed) {
    this.root = root;
    this.changed = changed;
    /** @type {(Entry | undefined)[]} */
    this.entries = [];
    this.at = 0;
    this.anchor = 0;
    this.columns = 1;
    /** @type {Set<number>} */
    this.chosen = new Set();
    root.addEventListener("pointermove", (event) => this.pointed(event));
    root.addEventListener("click", (event) => {
      const index = this.indexOf(event.target);
      if (index < 0 || !this.entries[index]) return;
      if (event.shiftKey) this.reach(index);
      else this.toggle(index);
    });
  }

  /** As many cells as fit. */
  reset() {
    const box = /** @type {HTMLElement} */ (this.root.parentElement).getBoundingClientRect();
    const [width, high] = [box.width - 48, box.height - 48];
    const { columns, rows } = box.width < 600 ? { columns: 3, rows: 4 } : fitting(width, high);
    this.columns = columns;
    this.root.style.setProperty("--columns", String(this.columns));
    this.entries = Array(this.columns * rows).fill(undefined);
    this.chosen.clear();
    this.at = this.anchor = 0;
    this.root.replaceChildren(...this.entries.map((_, index) => make("div", { className: "cell", role: "option", id: `cell-${index}` })));
  }

  /** @param {() => Entry | undefined} take */
  fill(take) {
    for (const [index, entry] of this.entries.entries()) if (!entry) this.put(index, take());
    if (!this.entries[this.at]) this.at = Math.max(0, this.entries.findIndex(Boolean));
    this.paint();
  }

  /** @param {number} index @param {Entry | undefined} entry */
  put(index, entry) {
    this.entries[index] = entry;
    const cell = this.root.children[index];
    cell.replaceChildren();
    if (!entry?.image) return;
    entry.shownAt = performance.now();
    const probability = entry.suggestions.find((one) => one.label_id === entry.label_id)?.probability;
    cell.append(entry.image, make("span", { textContent: `${entry.label ?? "?"} ${percent(probability)}` }));
  }

  /** The pictures that a key is for: those selected, else the one at the cursor or under the pointer. */
  get targets() {
    const indices = this.chosen.size ? [...this.chosen].sort((one, other) => one - other) : [this.at];
    return /** @type {Entry[]} */ (indices.map((index) => this.entries[index]).filter(Boolean));
  }

  get some() {
    return this.entries.some(Boolean);
  }

  /** @param {Entry[]} entries */
  clear(entries) {
    for (const [index, entry] of this.entries.entries()) if (entry && entries.includes(entry)) this.put(index, undefined);
    this.chosen.clear();
  }

  /** Take the last `count` pictures out, to make room. @param {number} count */
  give(count) {
    const full = this.entries.flatMap((entry, index) => (entry ? [index] : []));
    const free = this.entries.length - full.length;
    const given = full.slice(Math.max(0, full.length - Math.max(0, count - free)));
    const entries = given.map((index) => /** @type {Entry} */ (this.entries[index]));
    for (const index of given) this.put(index, undefined);
    return entries;
  }

  paint() {
    for (const [index, cell] of [...this.root.children].entries()) {
      const entry = this.entries[index], chosen = this.chosen.has(index);
      cell.className = `cell${index === this.at && entry ? " at" : ""}${chosen ? " chosen" : ""}`;
      cell.setAttribute("aria-selected", String(chosen));
      cell.setAttribute("aria-label", entry ? `${entry.label ?? "no label"}, ${entry.reason}` : "empty");
    }
    this.root.setAttribute("aria-activedescendant", `cell-${this.at}`);
    this.changed();
  }

  /** @param {EventTarget | null} target */
  indexOf(target) {
    const cell = target instanceof Element ? target.closest(".cell") : null;
    return cell ? [...this.root.children].indexOf(cell) : -1;
  }

  /** @param {PointerEvent} event */
  pointed(event) {
    const index = this.indexOf(event.target);
    if (index < 0 || index === this.at || !this.entries[index] || this.chosen.size || event.pointerType === "touch") return;
    this.at = this.anchor = index;
    this.paint();
  }

  /** @param {number} index */
  toggle(index) {
    if (!this.chosen.delete(index)) this.chosen.add(index);
    this.at = this.anchor = index;
    this.paint();
  }

  /** Select from the anchor to here. @param {number} index */
  reach(index) {
    this.at = index;
    const [from, to] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
    this.chosen = new Set(Array.from({ length: to - from + 1 }, (_, step) => from + step).filter((one) => this.entries[one]));
    this.paint();
  }

  /** Arrows, with shift to select; a: all; Enter: this one or not; Escape: none. @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    if (step !== undefined) {
      const next = this.at + step;
      if (next < 0 || next >= this.entries.length || !this.entries[next]) return true;
      if (event.shiftKey) return this.reach(next), true;
      this.at = this.anchor = next;
      this.chosen.clear();
    } else if (event.key === "a") this.chosen = new Set([...this.entries.keys()].filter((index) => this.entries[index]));
    else if (event.key === "Enter") return this.toggle(this.at), true;
    else if (event.key === "Escape") this.chosen.clear();
    else return false;
    this.paint();
    return true;
  }
}
