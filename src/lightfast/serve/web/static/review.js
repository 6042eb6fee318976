// Owns the review page: which pictures are in front of the person, keys and buttons, and what is asked. The queue is in queue.js.
import { get, newKey, post } from "./api.js";
import { Cells } from "./cells.js";
import { offerMore } from "./more.js";
import { Names } from "./names.js";
import { showNear } from "./near.js";
import { Queue } from "./queue.js";
import { counted, fixed, percent } from "./numbers.js";
import { isForPage, part, say, sayFailed } from "./say.js";

/** @typedef {import("./queue.js").Entry} Entry */

const ACTS = /** @type {Record<string, string>} */ ({ " ": "confirm", x: "reject", s: "skip", o: "second_opinion", z: "undo", Z: "redo" });
const SAID = /** @type {Record<string, string>} */ ({ confirm: "accepted", reject: "rejected", skip: "skipped", second_opinion: "left to somebody else" });

class Review {
  constructor() {
    this.names = new Names({ list: part("names"), field: part("name") }, (label) => this.act("confirm", label.id), createLabel);
    this.cells = new Cells(part("cells"), () => this.asked());
    this.current = /** @type {Entry | undefined} */ (undefined);
    this.many = location.hash === "#many";
    this.queue = new Queue();
    part("order").addEventListener("change", () => this.restart());
    part("show-one").addEventListener("click", () => this.switchTo(false));
    addEventListener("hashchange", () => this.switchTo(location.hash === "#many"));
    part("show-many").addEventListener("click", () => this.switchTo(true));
    for (const button of document.querySelectorAll("[data-act]"))
      button.addEventListener("click", () => this.does(/** @type {HTMLElement} */ (button).dataset.act ?? ""));
    document.addEventListener("keydown", (event) => { if (this.key(event)) event.preventDefault(); });
    offerMore(() => this.start());
    setInterval(() => this.paced(), 1000);
    setInterval(() => this.ahead(), 4000);
  }

  async start() {
    this.names.set(await get("/api/labels?client=").then((said) => said.items.filter((/** @type {any} */ one) => !one.retired_at)));
    await this.restart();
  }

  // What this page has in hand is leased to this person, and comes first again.
  async restart() {
    const order = part("order").value;
    this.queue.begin(this.many ? { order, side: 256, ahead: 60 } : { order, side: 1024 });
    for (const [id, on] of [["show-one", !this.many], ["show-many", this.many]]) part(/** @type {string} */ (id)).setAttribute("aria-pressed", String(on));
    part("stage").classList.toggle("many", this.many);
    part("hint").hidden = !this.many;
    if (this.many) part("near-part").hidden = true;
    this.current = undefined;
    part("one").replaceChildren();
    this.cells.reset();
    await this.queue.fill();
    this.show();
  }

  /** @param {boolean} many */
  switchTo(many) {
    this.many = many;
    history.replaceState(null, "", many ? "#many" : location.pathname);
    this.restart().catch(sayFailed);
  }

  // Put the next pictures where there is room; what is there stays where it is.
  show() {
    if (this.many) this.cells.fill(() => this.queue.take());
    else if (!this.current) {
      this.current = this.queue.take();
      if (this.current?.image) part("one").replaceChildren(this.current.image);
      if (this.current) this.current.shownAt = performance.now();
      showNear(this.current?.asset_id ?? 0, this.queue.waiting.slice(0, 3).map((one) => one.asset_id), this.queue.chain);
    }
    const some = this.many ? this.cells.some : Boolean(this.current);
    if (!some) part("one").replaceChildren();
    part("one").hidden = this.many || !some;
    part("cells").hidden = !this.many || !some;
    part("nothing").hidden = some || !this.queue.empty;
    part("asked").classList.toggle("idle", !part("nothing").hidden);
    this.asked();
    this.paced();
    if (!some && !this.queue.empty) this.queue.fill().then(() => this.show(), sayFailed);
  }

  // A queue that was empty may have got pictures meanwhile.
  ahead() {
    const some = this.many ? this.cells.some : Boolean(this.current);
    if (!some && !document.hidden) this.queue.fill().then(() => this.queue.waiting.length && this.show(), () => {});
  }

  get targets() {
    return this.many ? this.cells.targets : this.current ? [this.current] : [];
  }

  asked() {
    const [first] = this.targets, more = this.targets.length > 1;
    const same = first && this.targets.every((one) => one.label_id === first.label_id);
    const probability = first?.suggestions.find((one) => one.label_id === first.label_id)?.probability;
    const title = !first ? "–" : first.label === null ? "What is it?" : same ? `${first.label}?` : "Each its own?";
    part("asked-label").textContent = more ? `${this.targets.length} × ${title}` : title;
    part("why").textContent = more ? "One key decides all of them; undo takes all back." : [first?.now ? `Now: ${first.now}.` : "", first?.reason ?? ""].filter(Boolean).join(" ");
    part("sure").textContent = more ? "" : percent(probability);
    part("sure-bar").style.width = more || probability === undefined ? "0" : `${100 * probability}%`;
    part("accept").textContent = more ? `Accept ${this.targets.length}` : "Accept";
    this.names.mark(same ? first.label_id : null, first && !more ? [...first.guesses, ...first.suggestions] : []);
  }

  paced() {
    const { decided, pace, left } = this.queue;
    part("decided").textContent = fixed(decided);
    part("speed").textContent = pace ?? "–";
    part("left").textContent = left === null ? "…" : left >= 10_000 ? "> 10,000" : fixed(left);
  }

  /** @param {string} what */
  does(what) {
    if (what === "undo" || what === "redo") this.move(what);
    else this.act(what);
  }

  /** The next picture is there at once; the decision is acknowledged behind it. @param {string} act @param {number | null} [label] */
  act(act, label = null) {
    const entries = this.targets;
    if (!entries.length) return;
    const without = entries.find((one) => one.label_id === null);
    if (label === null && without && (act === "confirm" || act === "reject")) {
      say("No label is suggested here: give one by its digit or its name.", { kind: "failed", seconds: 5 });
      return;
    }
    // What benchmarks/pages.py reads: from the key to the next picture, and to the decision on the disk.
    const pressed = performance.now();
    const answered = this.queue.act(entries, /** @type {any} */ (act), label);
    if (this.many) this.cells.clear(entries);
    else this.current = undefined;
    this.show();
    requestAnimationFrame(() => performance.measure("shown", { start: pressed, end: performance.now() }));
    answered.then((said) => this.acknowledged(said, entries, act, pressed), (error) => this.returned(error, entries));
  }

  /** @param {{kept: number[]}} said @param {Entry[]} entries @param {string} act @param {number} pressed */
  acknowledged(said, entries, act, pressed) {
    performance.measure("decision", { start: pressed, end: performance.now() });
    this.paced();
    if (said.kept.length) say(`${counted(said.kept.length, "picture")} kept the decision of somebody else.`);
    else if (entries.length > 1) say(`${entries.length} ${SAID[act]}.`, { act: "Undo", then: () => this.move("undo") });
  }

  /** @param {Error} error @param {Entry[]} entries */
  returned(error, entries) {
    if (this.queue.waiting.includes(entries[0])) this.comeBack(entries.length);
    this.paced();
    say(`${error.message} ${entries.length === 1 ? "The picture is" : "The pictures are"} back.`, { kind: "failed" });
  }

  /** @param {"undo" | "redo"} way */
  async move(way) {
    try {
      const count = await this.queue.move(way);
      if (count && way === "undo") this.comeBack(count);
      else if (count) await this.restart();
      say(count ? `${counted(count, "decision")} ${way === "undo" ? "taken back" : "done again"}.` : `There is nothing to ${way}.`, { seconds: 3 });
    } catch (error) {
      sayFailed(error);
    }
  }

  /** @param {number} count */
  comeBack(count) {
    if (this.many) this.queue.waiting.push(...this.cells.give(count));
    else if (this.current && this.queue.waiting.length) {
      this.queue.waiting.splice(Math.min(count, this.queue.waiting.length), 0, this.current);
      this.current = undefined;
    }
    this.show();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const on = /** @type {HTMLElement} */ (event.target);
    if (!isForPage(event)) return false;
    if (on.matches("button, a") && (event.key === " " || event.key === "Enter")) return false;
    if (this.many && this.cells.key(event)) return true;
    if (event.key in ACTS) return this.does(ACTS[event.key]), true;
    return this.names.key(event);
  }
}

/** @param {string} name */
async function createLabel(name) {
  return post("/api/labels", { name }, { key: newKey() });
}

const review = new Review();
review.start().catch(sayFailed);
