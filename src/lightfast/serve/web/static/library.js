// Owns the library page: what is searched, which pictures are chosen, and what is done with all of them. The grid itself is in grid.js.
import { call, get, viewOf } from "./api.js";
import { labelAll, undoByKey } from "./decide.js";
import { Grid } from "./grid.js";
import { counted, fixed, percent } from "./numbers.js";
import { choices, isForPage, make, on, part, say, sayFailed } from "./say.js";

/** @typedef {{id: number, name: string, confirmed?: number, suggested?: number}} Label */

const CARDS = 100;
const PAGE = 200;
const STATES = /** @type {const} */ ([["confirmed", "labelled"], ["suggested", "suggested"], ["rejected", "is not"]]);

class Library {
  constructor() {
    this.grid = new Grid(part("grid"), {
      moved: () => this.named(),
      chosen: (ids) => this.chosen(ids),
      open: (row) => location.assign(`/assets/${row.id}`),
      address: (row) => `/assets/${row.id}`,
    });
    /** @type {Label[]} */
    this.labels = [];
    const asked = new URLSearchParams(location.search);
    this.query = asked.get("q") ?? "";
    this.seen = asked.get("seen") ?? "";
    this.label = Number(asked.get("label")) || null;
    this.state = asked.get("state");
    this.like = asked.getAll("like").map(Number).filter(Boolean);
    this.more = /** @type {{asked: URLSearchParams, next: string} | null} */ (null);
    this.captioning = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
    this.listen();
  }

  listen() {
    on("search", "submit", () => {
      const text = part("query").value.trim(), seen = part("how").value === "seen";
      this.ask({ query: seen ? "" : text, seen: seen ? text : "", like: [] });
    });
    on("upload-alike", "click", () => part("alike-file").click());
    on("alike-file", "change", () => this.alikeUpload());
    on("none", "click", () => this.grid.choose([]));
    on("alike", "click", () => this.ask({ like: [...this.grid.chosen].slice(0, 20), query: "", seen: "" }));
    if (document.getElementById("label-all")) this.listenToLabels();
    document.addEventListener("keydown", (event) => { if (event.key === "/" && isForPage(event)) event.preventDefault(), part("query").focus(); });
    addEventListener("popstate", () => location.reload());
  }

  // What the page has for those who may label.
  listenToLabels() {
    on("label-all", "submit", () => this.labelChosen("confirm"));
    on("not-label", "click", () => this.labelChosen("reject"));
    undoByKey((ids) => this.changed(ids));
  }

  /** @param {{query?: string, seen?: string, label?: number | null, state?: string | null, like?: number[]}} wanted */
  ask(wanted) {
    Object.assign(this, wanted);
    const said = new URLSearchParams();
    if (this.query) said.set("q", this.query);
    if (this.seen) said.set("seen", this.seen);
    if (this.label) said.set("label", String(this.label));
    if (this.state) said.set("state", this.state);
    for (const id of this.like) said.append("like", String(id));
    history.pushState(null, "", said.size ? `?${said}` : location.pathname);
    this.look().catch(sayFailed);
  }

  async start() {
    const [said] = await Promise.all([get("/api/labels?client="), this.look()]);
    this.labels = said.items;
    part("words").replaceChildren(...choices(this.labels.map((one) => one.name)));
    this.facets();
  }

  async look() {
    this.facets();
    part("query").value = this.seen || this.query;
    part("how").value = this.seen ? "seen" : "tags";
    this.more = null;
    if (this.like.length || this.query || this.seen) {
      const asked = new URLSearchParams({ limit: String(PAGE) });
      if (this.query) asked.set("query", this.query);
      if (this.seen) asked.set("text", this.seen);
      if (this.like.length) asked.set("like", this.like.join(","));
      return this.show(await get(`/api/search?${asked}`, { slow: true }), asked);
    }
    const wanted = new URLSearchParams();
    if (this.label) wanted.set("label_id", String(this.label));
    if (this.state) wanted.set("state", this.state);
    if (this.state !== "unreadable") wanted.set("unreadable", "false");
    const { ids } = await get(`/api/assets/ids?${wanted}`);
    this.fill(ids.map((/** @type {number} */ id) => ({ id })));
  }

  /** A page of a search; the next ones come when the view nears their place. @param {any} said @param {URLSearchParams} [asked] */
  show({ items, next, notes }, asked) {
    const found = items.map((/** @type {any} */ { asset, similarity }) => ({ id: asset.id, caption: [fixed(similarity, 2), caption(asset)].filter(Boolean).join(" · ") }));
    this.more = next && asked ? { asked, next } : null;
    this.fill(found, Boolean(next));
    if (notes.length) say(notes.join(" "), { seconds: 8 });
  }

  async further() {
    if (!this.more || this.grid.reached < this.grid.rows.length - 40) return;
    const { asked, next } = this.more;
    this.more = null;
    asked.set("cursor", next);
    const said = await get(`/api/search?${asked}`, { slow: true });
    this.more = said.next ? { asked, next: said.next } : null;
    this.grid.append(said.items.map((/** @type {any} */ { asset }) => ({ id: asset.id, caption: caption(asset), source: viewOf(asset.id, 256) })));
    part("count").textContent = `${said.next ? "the first " : ""}${counted(this.grid.rows.length, "picture")}`;
  }

  /** @param {{id: number, caption?: string}[]} found @param {boolean} [more] */
  fill(found, more = false) {
    this.grid.set(found.map(({ id, caption }) => ({ id, caption, source: viewOf(id, 256) })));
    part("count").textContent = `${more ? "the first " : ""}${counted(found.length, "picture")}`;
    const narrowed = Boolean(this.query || this.seen || this.label || this.state || this.like.length);
    part("nothing").hidden = found.length > 0;
    part("grid").hidden = !found.length;
    if (narrowed) [part("nothing-title").textContent, part("nothing-text").textContent] = ["Nothing is found", "No picture fits all of what is asked. Ask for less, or look at the labels on the left."];
    this.grid.measure();
    this.chosen(this.grid.chosen);
  }

  // Every id is known from the start; names and labels of what is in view come when the hand rests.
  named() {
    this.further().catch(sayFailed);
    clearTimeout(this.captioning);
    this.captioning = setTimeout(async () => {
      const bare = this.grid.inView.filter((row) => row.caption === undefined).slice(0, CARDS);
      if (!bare.length) return;
      const { items } = await get(`/api/assets/cards?${new URLSearchParams(bare.map((row) => ["id", String(row.id)]))}`);
      const cards = new Map(items.map((/** @type {any} */ one) => [one.id, one]));
      for (const row of bare) row.caption = caption(cards.get(row.id));
      this.grid.recaption();
    }, 150);
  }

  facets() {
    const button = (/** @type {string} */ text, /** @type {number | undefined} */ count, /** @type {boolean} */ pressed, /** @type {() => void} */ then) => {
      const made = make("button", { type: "button", onclick: then, textContent: text, title: text, ariaPressed: String(pressed) });
      if (count !== undefined) made.dataset.count = fixed(count);
      return make("li", {}, made);
    };
    const plain = !this.label && !this.state && !this.query && !this.seen && !this.like.length;
    const states = STATES.map(([state, name]) => button(name, undefined, this.state === state, () => this.ask({ state: this.state === state ? null : state, query: "", seen: "", like: [] })));
    const labels = this.labels.map((one) => button(one.name, one.confirmed === undefined ? undefined : one.confirmed + (one.suggested ?? 0), this.label === one.id, () => this.ask({ label: this.label === one.id ? null : one.id, query: "", seen: "", like: [] })));
    part("facets").replaceChildren(
      make("h2", { textContent: "State" }), make("ul", {}, button("all", undefined, plain, () => this.ask({ query: "", seen: "", label: null, state: null, like: [] })), ...states),
      ...(labels.length ? [make("h2", { textContent: "Label" }), make("ul", {}, ...labels)] : []),
    );
  }

  /** @param {Set<number>} ids */
  chosen(ids) {
    part("bulk").hidden = !ids.size;
    part("chosen").textContent = counted(ids.size, "picture");
  }

  /** @param {"confirm" | "reject"} act */
  async labelChosen(act) {
    const name = part("label").value.trim(), ids = [...this.grid.chosen];
    if (!name) return part("label").reportValidity();
    await labelAll(ids, act, name, (others) => this.changed(others));
    this.grid.choose([]);
  }

  /** Pictures with other labels: their captions and the counts are asked for again. @param {number[]} ids */
  async changed(ids) {
    this.grid.forget(ids);
    this.labels = (await get("/api/labels?client=")).items;
    this.facets();
  }

  async alikeUpload() {
    const [file] = part("alike-file").files;
    if (!file) return;
    const form = new FormData();
    form.append("files", file, file.name);
    part("count").textContent = "looking …";
    this.show(await call("POST", `/api/search?limit=${PAGE}`, form));
    part("alike-file").value = "";
  }
}

/** What stands under a picture: its labels, else the file's name. @param {any} card */
function caption(card) {
  const tags = card?.tags.filter((/** @type {any} */ one) => one.state !== "rejected") ?? [];
  return tags.map((/** @type {any} */ one) => (one.state === "confirmed" ? one.label : `${one.label}? ${percent(one.probability)}`)).join(", ") || card?.name || "";
}

new Library().start().catch(sayFailed);
