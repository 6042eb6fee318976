// Owns a grid of any number of pictures: only those in view are nodes, one a picture, and nodes are used again. It knows no server: its owner is told when the view moves.

/**
 * @typedef {{id: number, caption?: string, source: string}} Row
 * @typedef {{moved: () => void, chosen: (ids: Set<number>) => void, open: (row: Row) => void, address: (row: Row) => string}} Owner
 */

/** Tiles that are kept where fewer are in view: so much is there before it is scrolled to. */
const MOST_TILES = 70;

export class Grid {
  /** @param {HTMLElement} root a listbox that scrolls. @param {Owner} owner @param {{side?: number, gap?: number}} [options] */
  constructor(root, owner, { side = 150, gap = 6 } = {}) {
    this.root = root;
    this.owner = owner;
    this.side = side;
    this.gap = gap;
    this.floor = root.appendChild(document.createElement("div"));
    this.floor.className = "floor";
    this.floor.role = "presentation";
    /** @type {Row[]} */
    this.rows = [];
    this.at = -1;
    this.anchor = 0;
    /** @type {Set<number>} ids of pictures */
    this.chosen = new Set();
    /** @type {Map<number, HTMLAnchorElement>} */
    this.nodes = new Map();
    /** @type {HTMLAnchorElement[]} */
    this.spare = [];
    this.asked = 0;
    root.addEventListener("scroll", () => this.paint(), { passive: true });
    root.addEventListener("keydown", (event) => { if (this.key(event)) event.preventDefault(); });
    root.addEventListener("click", (event) => this.clicked(event));
    new ResizeObserver(() => this.measure()).observe(root);
    this.measure();
  }

  /** Other pictures. @param {Row[]} rows */
  set(rows) {
    for (const node of this.nodes.values()) this.free(node);
    this.nodes.clear();
    this.rows = rows;
    this.at = -1;
    this.chosen.clear();
    this.root.scrollTop = 0;
    this.measure();
  }

  /** More of the same pictures behind the others. @param {Row[]} rows */
  append(rows) {
    this.rows = [...this.rows, ...rows];
    this.measure();
  }

  measure() {
    const width = this.root.clientWidth - 2 * this.gap;
    this.columns = Math.max(2, Math.round(width / this.side));
    this.size = (width - (this.columns - 1) * this.gap) / this.columns;
    this.step = this.size + this.gap;
    this.floor.style.height = `${Math.ceil(this.rows.length / this.columns) * this.step + this.gap}px`;
    for (const [index, node] of this.nodes) this.place(node, index);
    this.paint();
  }

  /** At most once a frame. */
  paint() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      this.draw();
    });
  }

  draw() {
    const { columns = 1, step = 1 } = this, high = this.root.clientHeight;
    const seen = Math.ceil(high / step) + 1;
    const more = Math.max(0, Math.min(seen, Math.floor((MOST_TILES / columns - seen) / 2)));
    const first = Math.max(0, Math.floor(this.root.scrollTop / step) - more) * columns;
    const last = Math.min(this.rows.length, (Math.floor(this.root.scrollTop / step) + seen + more) * columns);
    for (const [index, node] of this.nodes) {
      if (index >= first && index < last) continue;
      this.nodes.delete(index);
      this.free(node);
    }
    for (let index = first; index < last; index++) {
      if (!this.nodes.has(index)) this.add(index);
      this.dress(/** @type {HTMLAnchorElement} */ (this.nodes.get(index)), this.rows[index], index);
    }
    const at = this.nodes.get(this.at);
    if (at) this.root.setAttribute("aria-activedescendant", at.id);
    else this.root.removeAttribute("aria-activedescendant");
    this.owner.moved();
  }

  /** The last row that has a node. */
  get reached() {
    return Math.max(-1, ...this.nodes.keys());
  }

  /** Rows of which there are nodes. */
  get inView() {
    return [...this.nodes.keys()].map((index) => this.rows[index]);
  }

  /** Captions that came later. */
  recaption() {
    for (const [index, node] of this.nodes) this.name(node, this.rows[index]);
  }

  /** Captions that hold no longer. @param {number[]} ids */
  forget(ids) {
    const gone = new Set(ids);
    for (const row of this.rows) if (gone.has(row.id)) row.caption = undefined;
    this.paint();
  }

  /** @param {HTMLAnchorElement} node */
  free(node) {
    node.remove();
    this.spare.push(node);
  }

  /** @param {number} index */
  add(index) {
    let node = this.spare.pop();
    if (!node) {
      node = document.createElement("a");
      node.tabIndex = -1;
      node.role = "option";
    }
    node.dataset.id = "";
    node.className = "tile";
    node.style.backgroundImage = "";
    this.place(node, index);
    this.floor.append(node);
    this.nodes.set(index, node);
  }

  /** @param {HTMLElement} node @param {number} index */
  place(node, index) {
    const { columns = 1, step = 0, size = 0 } = this;
    node.style.width = node.style.height = `${size}px`;
    node.style.transform = `translate(${this.gap + (index % columns) * step}px, ${this.gap + Math.floor(index / columns) * step}px)`;
  }

  /** @param {HTMLAnchorElement} node @param {Row} row @param {number} index */
  dress(node, row, index) {
    if (node.dataset.id !== String(row.id)) {
      node.dataset.id = String(row.id);
      node.id = `picture-${row.id}`;
      node.href = this.owner.address(row);
      // The policy of the pages allows no style in HTML, but what a module sets.
      node.style.backgroundImage = `url("${row.source}")`;
      this.name(node, row);
    }
    const chosen = this.chosen.has(row.id);
    node.dataset.index = String(index);
    node.classList.toggle("at", index === this.at);
    node.classList.toggle("chosen", chosen);
    node.ariaSelected = String(chosen);
    node.ariaPosInSet = String(index + 1);
    node.ariaSetSize = String(this.rows.length);
  }

  /** @param {HTMLAnchorElement} node @param {Row} row */
  name(node, row) {
    node.ariaLabel = row.caption || `picture ${row.id}`;
    node.dataset.caption = row.caption ?? "";
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const node = /** @type {HTMLElement} */ (event.target).closest("a");
    if (!node) return;
    const index = Number(node.dataset.index);
    if (event.shiftKey) this.reach(index);
    else if (this.chosen.size || event.ctrlKey || event.metaKey) this.toggle(index);
    else return;
    event.preventDefault();
  }

  /** @param {number} index */
  toggle(index) {
    const row = this.rows[index];
    if (row && !this.chosen.delete(row.id)) this.chosen.add(row.id);
    this.at = this.anchor = index;
    this.changed();
  }

  /** Choose from the anchor to here. @param {number} index */
  reach(index) {
    this.at = index;
    this.chosen.clear();
    for (let one = Math.min(index, this.anchor); one <= Math.max(index, this.anchor); one++) {
      const row = this.rows[one];
      if (row) this.chosen.add(row.id);
    }
    this.changed();
  }

  /** @param {Iterable<number>} ids */
  choose(ids) {
    this.chosen = new Set(ids);
    this.changed();
  }

  changed() {
    this.draw();
    this.owner.chosen(this.chosen);
  }

  /** @param {number} index */
  show(index) {
    const { columns = 1, step = 1 } = this, top = Math.floor(index / columns) * step;
    if (top < this.root.scrollTop) this.root.scrollTop = top;
    else if (top + step > this.root.scrollTop + this.root.clientHeight) this.root.scrollTop = top + step + this.gap - this.root.clientHeight;
  }

  /** Arrows, with shift to choose; space: this one or not; Enter: open; Escape: none. @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { columns = 1 } = this;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -this.rows.length, End: this.rows.length }[event.key];
    if (step !== undefined && this.rows.length) {
      const next = Math.max(0, Math.min(this.rows.length - 1, this.at < 0 && event.key !== "End" ? 0 : this.at + step));
      this.show(next);
      if (event.shiftKey) return this.reach(next), true;
      this.at = this.anchor = next;
      this.paint();
      return true;
    }
    const row = this.rows[this.at];
    if (event.key === " " && row) this.toggle(this.at);
    else if (event.key === "Enter" && row) this.owner.open(row);
    else if (event.key === "Escape") this.choose([]);
    else return false;
    return true;
  }
}
