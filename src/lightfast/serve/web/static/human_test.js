// Owns the page of one blinded test: the next picture of this person's own order, and the one answer to it. Nothing here knows a label.
import { get, pause, post } from "./api.js";
import { Names } from "./names.js";
import { isForPage, make, part, say, sayFailed } from "./say.js";
import { sized } from "./thumb.js";

/** @typedef {{person: string, answered: number, total: number, next: number | null, finished: boolean}} Progress */

const path = `/api/human/${part("stage").dataset.test}`;

/** How often a picture is asked for before that is said. */
const TRIES = 3;

/** The classes of the test: nothing can be added to them. */
class Choices extends Names {
  show() {
    super.show();
    this.list.querySelector('[data-id="-1"]')?.parentElement?.remove();
  }
}

class BlindTest {
  constructor() {
    const refuse = async (/** @type {string} */ name) => { throw new Error(`No class is called ${name}.`); };
    this.names = new Choices({ list: part("names"), field: part("name") }, (label) => this.answer(label.name), refuse);
    this.place = 0;
    this.shownAt = 0;
    this.sending = false;
    /** @type {Map<number, HTMLImageElement>} this picture and the next one, by place. */
    this.images = new Map();
    part("dont-know").addEventListener("click", () => this.answer(null));
    document.addEventListener("keydown", (event) => { if (this.key(event)) event.preventDefault(); });
  }

  async start() {
    const test = await get(path);
    this.names.set(test.class_names.map((/** @type {string} */ name, /** @type {number} */ id) => ({ id, name })));
    if (test.observed) return this.close("You have seen the results", "Who has seen them is no blind reader any more.");
    if (test.labelled) part("why").textContent = `You labelled ${test.labelled} of these pictures yourself; the results will say so.`;
    await this.goOn(test.mine);
  }

  /** @param {number} place */
  image(place) {
    const known = this.images.get(place);
    if (known) return known;
    const image = make("img", { alt: `Picture ${place}`, decoding: "sync", src: `${path}/pictures/${place}` });
    this.images.set(place, image);
    return image;
  }

  /** The picture at a place, once it can be shown: one that did not come is asked for anew. @param {number} place */
  async decoded(place) {
    for (let left = TRIES; ; left -= 1) {
      const image = this.image(place);
      try {
        await image.decode();
        return image;
      } catch {
        if (this.images.get(place) === image) this.images.delete(place);
        if (left === 1) return null;
        await pause(500);
      }
    }
  }

  /** Show the next picture; its time begins when it can be seen. @param {Progress} mine */
  async goOn(mine) {
    part("place").textContent = mine.finished ? `${mine.total} of ${mine.total} answered` : `Picture ${mine.next} of ${mine.total}`;
    if (mine.next === null) return this.close("All answered", "Thank you. Every answer is kept.");
    this.place = 0;
    const image = await this.decoded(mine.next);
    if (!image) return say(`Picture ${mine.next} did not come.`, { kind: "failed", seconds: 0, act: "Try again", then: () => this.goOn(mine).catch(sayFailed) });
    sized(image, image.naturalWidth, image.naturalHeight);
    part("one").replaceChildren(image);
    this.place = mine.next;
    this.shownAt = performance.now();
    this.images = new Map([[mine.next, image]]);
    if (mine.next < mine.total) this.ahead(mine.next + 1);
  }

  /** Have the next picture ready; one that does not come is asked for again when its turn is. @param {number} place */
  ahead(place) {
    const image = this.image(place);
    image.decode().catch(() => { if (this.images.get(place) === image) this.images.delete(place); });
  }

  /** @param {string} title @param {string} text */
  close(title, text) {
    this.place = 0;
    part("one").hidden = part("asked").hidden = true;
    part("done").hidden = false;
    part("done-title").textContent = title;
    part("done-text").textContent = text;
  }

  /** The next picture comes when this answer is on the disk. @param {string | null} answer */
  async answer(answer) {
    if (this.sending || !this.place) return;
    this.sending = true;
    const seconds = (performance.now() - this.shownAt) / 1000;
    try {
      await this.goOn(await post(`${path}/answers`, { position: this.place, answer, seconds }));
    } catch (error) {
      sayFailed(error);
    } finally {
      this.sending = false;
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.repeat || !isForPage(event)) return false;
    if (event.key === "?") return this.answer(null), true;
    return this.names.key(event, (digit) => say(`No class has the digit ${digit}.`, { seconds: 3 }));
  }
}

new BlindTest().start().catch(sayFailed);
