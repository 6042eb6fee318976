// Owns the pictures that this person has in hand: leased ahead, their views decoded ahead, decided at once here and acknowledged behind; nothing of the page.
import { newKey, post, viewOf } from "./api.js";
import { sized } from "./thumb.js";

/**
 * @typedef {{label_id: number, label: string, probability: number}} Suggestion
 * @typedef {{asset_id: number, label_id: number | null, label: string | null, now: string | null, reason: string, width: number, height: number,
 *   suggestions: Suggestion[], guesses: {label: string, probability: number}[], shownAt?: number, image?: HTMLImageElement}} Entry
 * @typedef {"confirm" | "reject" | "skip" | "second_opinion"} Act
 */

/** What the server says of a picture to look at. @param {any} item @returns {Entry} */
function entryOf({ entry, label, asset, guesses }) {
  const said = asset.tags.filter((/** @type {any} */ one) => one.state !== "rejected");
  const now = said.find((/** @type {any} */ one) => one.by_person || one.rule === "given")?.label ?? null;
  const suggestions = said.filter((/** @type {any} */ one) => one.probability !== null);
  return { asset_id: entry.asset_id, label_id: entry.label_id, label, now, reason: entry.reason, width: asset.width, height: asset.height, suggestions, guesses };
}

const AHEAD = 12;
const AT_ONCE = 4;

export class Queue {
  constructor() {
    /** @type {number[]} */
    this.times = [];
    this.decided = 0;
    this.left = /** @type {number | null} */ (null);
    /** Acts go one after the other, in the order of the hand. */
    this.chain = Promise.resolve();
    this.going = 0;
    this.ahead = AHEAD;
    this.begin({ order: "", side: 1024 });
  }

  /** Begin anew in another order or size: the server gives what this person has in hand again, behind the acts that are on their way. @param {{order: string, side: 256 | 1024, ahead?: number}} options */
  begin({ order, side, ahead = AHEAD }) {
    this.order = order;
    this.side = side;
    this.ahead = ahead;
    /** @type {Entry[]} */
    this.waiting = [];
    /** @type {Set<number>} pictures that this page has in hand: shown, waiting, or with an act on its way; another set after each beginning. */
    this.held = new Set();
    this.empty = false;
    this.filling = /** @type {Promise<void> | null} */ (null);
  }

  /** The next entry, with its view on the way; undefined where none is here yet. */
  take() {
    const entry = this.waiting.shift();
    if (this.waiting.length < this.ahead / 2) this.fill();
    this.prepare();
    return entry && this.load(entry);
  }

  /** Have the next views come. They wait for an act that is on its way: what the server does for them would hold its answer up. */
  prepare() {
    this.chain.then(() => { for (const one of this.waiting.slice(0, AT_ONCE)) this.load(one); });
  }

  /** @param {Entry} entry */
  load(entry) {
    if (!entry.image) {
      const image = (entry.image = new Image());
      image.alt = "";
      image.decoding = "sync";
      if (entry.width) [image.width, image.height] = [entry.width, entry.height];
      sized(image, entry.width, entry.height);
      image.src = viewOf(entry.asset_id, this.side);
      image.decode().catch(() => {});
    }
    return entry;
  }

  /** Lease more, once at a time. */
  fill() {
    if (this.filling) return this.filling;
    const filling = this.lease().finally(() => { if (this.filling === filling) this.filling = null; });
    return (this.filling = filling);
  }

  async lease() {
    const { held } = this;
    // No act that is on its way waits for it, and none of their pictures is leased again.
    await this.chain;
    if (held !== this.held) return;
    const known = [...held].slice(0, 500);
    const said = await post("/api/review/lease", { count: Math.min(500, known.length + this.ahead), order: this.order, known });
    this.left = said.left;
    if (held === this.held) this.come(said.items);
  }

  /** Pictures as the server gives them into this person's hand, those that are here left out. @param {any[]} items */
  come(items) {
    const fresh = items.map(entryOf).filter((one) => !this.held.has(one.asset_id));
    this.empty = !fresh.length;
    this.add(fresh);
  }

  /** @param {Entry[]} entries @param {boolean} [first] */
  add(entries, first = false) {
    for (const one of entries) this.held.add(one.asset_id);
    this.waiting[first ? "unshift" : "push"](...entries);
    this.prepare();
  }

  /**
   * Act on pictures: the promise holds when the database has it; on failure the pictures are put back and the reason is thrown.
   * @param {Entry[]} entries
   * @param {Act} act
   * @param {number | null} [label] null: each picture's own suggestion.
   */
  act(entries, act, label = null) {
    const now = performance.now();
    const acts = entries.map((one) => ({
      asset_id: one.asset_id, act, key: newKey(), label_id: act === "skip" || act === "second_opinion" ? null : label ?? one.label_id,
      from_label_id: one.label_id, seconds: Math.min(600, (now - (one.shownAt ?? now)) / 1000 / entries.length),
    }));
    const { held } = this;
    this.count(entries.length);
    return this.next(async () => {
      try {
        const said = await post("/api/review/decide", { acts });
        for (const one of entries) held.delete(one.asset_id);
        this.left = said.left;
        return said;
      } catch (error) {
        this.count(-entries.length);
        // After another beginning they come with what is leased.
        if (held === this.held) this.add(entries, true);
        throw error;
      }
    });
  }

  /** Take back the last act, or do it again; the pictures of an undone one come first in hand. @param {"undo" | "redo"} way */
  move(way) {
    return this.next(async () => {
      const { held } = this;
      const said = await post(`/api/review/${way}`, {});
      this.left = said.left;
      if (!said.decision_ids.length) return 0;
      if (way === "undo") await this.again(said.asset_ids, held);
      this.count((way === "undo" ? -1 : 1) * said.decision_ids.length);
      return said.decision_ids.length;
    });
  }

  /** Pictures that were undone, in hand before all others. @param {number[]} ids @param {Set<number>} held */
  async again(ids, held) {
    const { items } = await post("/api/review/take", { asset_ids: ids });
    if (held === this.held) this.add(items.map(entryOf).filter((/** @type {Entry} */ one) => !held.has(one.asset_id)), true);
  }

  /** What waits for nothing is sent at once: before the page draws the next picture, not behind that. @template T @param {() => Promise<T>} step @returns {Promise<T>} */
  next(step) {
    const result = this.going++ ? this.chain.then(step) : step();
    const ended = () => { this.going--; };
    this.chain = result.then(ended, ended);
    return result;
  }

  /** @param {number} decisions */
  count(decisions) {
    this.decided = Math.max(0, this.decided + decisions);
    if (decisions > 0) this.times.push(...Array(decisions).fill(performance.now()));
    else this.times.splice(decisions);
  }

  /** Decisions a minute over the last minute of work; null before the third. */
  get pace() {
    const now = performance.now();
    this.times = this.times.filter((at) => now - at < 60_000);
    return this.times.length < 3 ? null : Math.round((this.times.length * 60_000) / Math.max(3_000, now - this.times[0]));
  }
}
