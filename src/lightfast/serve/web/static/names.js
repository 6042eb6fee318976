// Owns the list of labels beside a picture: the same order always, digits for the first ten, letters to find any of them.
import { percent } from "./numbers.js";
import { make } from "./say.js";

/** @typedef {{id: number, name: string}} Label */

/** Labels by digit: one that is called by a digit has its own, the first others take those left. @param {Label[]} labels @returns {Map<string, Label>} */
function byDigit(labels) {
  const own = new Map(labels.filter((one) => /^\d$/.test(one.name)).map((one) => [one.name, one]));
  const others = labels.filter((one) => !own.has(one.name));
  for (const digit of "1234567890") if (!own.has(digit) && others.length) own.set(digit, /** @type {Label} */ (others.shift()));
  return own;
}

export class Names {
  /**
   * @param {{list: HTMLElement, field: HTMLInputElement}} parts
   * @param {(label: Label) => void} choose called with the label that a person gives.
   * @param {(name: string) => Promise<Label>} create makes a label that is not there yet.
   */
  constructor({ list, field }, choose, create) {
    this.list = list;
    this.field = field;
    this.choose = choose;
    this.create = create;
    /** @type {Label[]} */
    this.labels = [];
    this.digits = byDigit([]);
    /** @type {Map<string, number>} */
    this.probability = new Map();
    this.suggested = /** @type {number | null} */ (null);
    field.addEventListener("input", () => this.show());
    field.addEventListener("keydown", (event) => this.typed(event));
    list.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button) this.given(Number(button.dataset.id));
    });
  }

  /** @param {Label[]} labels */
  set(labels) {
    this.labels = labels;
    this.digits = byDigit(labels);
    this.show();
  }

  /** What is known of the picture in hand; of two that speak of one label the last counts. @param {number | null} suggested @param {{label: string, probability: number}[]} suggestions */
  mark(suggested, suggestions) {
    this.suggested = suggested;
    this.probability = new Map(suggestions.map((one) => [one.label, one.probability]));
    for (const button of this.list.querySelectorAll("button")) this.dress(button);
  }

  get wanted() {
    const text = this.field.value.trim().toLowerCase();
    if (!text) return this.labels;
    const starts = this.labels.filter((one) => one.name.toLowerCase().startsWith(text));
    return [...starts, ...this.labels.filter((one) => !starts.includes(one) && one.name.toLowerCase().includes(text))];
  }

  show() {
    const digits = new Map([...this.digits].map(([digit, one]) => [one, digit]));
    const rows = this.wanted.map((one) => {
      const button = make("button", { type: "button" });
      button.dataset.id = String(one.id);
      button.append(make("kbd", { textContent: digits.get(one) ?? "" }), one.name, make("span"));
      this.dress(button);
      return make("li", {}, button);
    });
    const text = this.field.value.trim();
    if (text && !this.labels.some((one) => one.name.toLowerCase() === text.toLowerCase())) {
      const button = make("button", { type: "button", textContent: `New label “${text}”` });
      button.dataset.id = "-1";
      rows.push(make("li", {}, button));
    }
    if (text) rows[0]?.firstElementChild?.classList.add("at");
    this.list.replaceChildren(...rows);
  }

  /** @param {HTMLButtonElement} button */
  dress(button) {
    const id = Number(button.dataset.id), last = button.querySelector("span");
    button.classList.toggle("suggested", id === this.suggested);
    if (last) last.textContent = percent(this.probability.get(button.childNodes[1].textContent ?? ""));
  }

  /** @param {KeyboardEvent} event */
  typed(event) {
    if (event.key === "Escape") this.clear();
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = /** @type {HTMLElement | null} */ (this.list.querySelector("button"));
    if (first && this.field.value.trim()) this.given(Number(first.dataset.id));
  }

  /** @param {number} id */
  async given(id) {
    const text = this.field.value.trim();
    const known = this.labels.find((one) => one.id === id);
    this.clear();
    if (known) return this.choose(known);
    const made = await this.create(text);
    this.set([...this.labels, made]);
    this.choose(made);
  }

  clear() {
    this.field.value = "";
    this.field.blur();
    this.show();
  }

  /** The label of a digit, or undefined. @param {string} digit */
  ofDigit(digit) {
    return this.digits.get(digit);
  }

  /** What a key says of a label: a digit gives one, a letter or / begins to type its name. Whether it was such a key. @param {KeyboardEvent} event @param {(digit: string) => void} [missing] called with a digit that has no label. */
  key(event, missing = () => {}) {
    if (/^\d$/.test(event.key)) {
      const label = this.ofDigit(event.key);
      if (label) this.choose(label);
      else missing(event.key);
      return true;
    }
    if (event.key !== "/" && !/^\p{L}$/u.test(event.key)) return false;
    this.begin(event.key === "/" ? "" : event.key);
    return true;
  }

  /** Begin to type a name with this letter. @param {string} letter */
  begin(letter) {
    this.field.value = letter;
    this.field.focus();
    this.show();
  }
}

