// Owns how pictures look outside the grids: small ones in rows, each a link to its own page, and one alone.
import { viewOf } from "./api.js";
import { make } from "./say.js";

/** @param {{id: number, name?: string}} asset @param {string} text below it @param {Partial<HTMLAnchorElement>} [more] */
export function thumb({ id, name = "" }, text, more = {}) {
  const image = Object.assign(new Image(), { src: viewOf(id, 256), alt: name, loading: "lazy" });
  return make("a", { href: `/assets/${id}`, ...more }, image, make("small", { textContent: text }));
}

/** A picture alone: a small one at most twice as large, since larger it is no clearer, and with its pixels seen. @param {HTMLImageElement} image @param {number} width @param {number} height */
export function sized(image, width, height) {
  image.style.setProperty("--most-width", `${2 * width}px`);
  image.style.setProperty("--most-height", `${2 * height}px`);
  image.classList.toggle("crisp", Math.max(width, height) < 128);
}
