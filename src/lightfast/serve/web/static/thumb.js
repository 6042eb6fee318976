// Owns small pictures in rows, each a link to its own page.
import { viewOf } from "./api.js";
import { make } from "./say.js";

/** @param {{id: number, name?: string}} asset @param {string} text below it @param {Partial<HTMLAnchorElement>} [more] */
export function thumb({ id, name = "" }, text, more = {}) {
  const image = Object.assign(new Image(), { src: viewOf(id, 256), alt: name, loading: "lazy" });
  return make("a", { href: `/assets/${id}`, ...more }, image, make("small", { textContent: text }));
}
