// Owns the map of the library: the report's own map, with pictures by address and decisions through the REST.
import { get, post, viewOf } from "./api.js";
import { labelAll, takeBack, undoByKey } from "./decide.js";
import { jobCard } from "./live.js";
// @ts-ignore  served from the report's own scripts
import { PictureMap } from "./picture_map.js";
import { fixed } from "./numbers.js";
import { on, part, say, sayFailed } from "./say.js";

class LibraryMap extends /** @type {new (root: HTMLElement, data: any) => any} */ (PictureMap) {
  /** A group, with its name to accept. @param {number} number */
  chooseCluster(number) {
    super.chooseCluster(number);
    const { name } = this.data.clusters[number], accept = part("accept-name");
    accept.hidden = !name;
    [accept.value, accept.textContent] = [name, `Label all “${name}”`];
  }

  /** @param {number[]} rows @param {string} what */
  choose(rows, what) {
    part("accept-name").hidden = true;
    super.choose(rows, what);
  }

  /** Small pictures by address, as many as have been looked at. @param {CanvasRenderingContext2D} pen @param {number} row @param {number} x @param {number} y @param {number} side @param {() => void} [later] */
  thumb(pen, row, x, y, side, later) {
    this.views ??= new Map();
    let image = this.views.get(row);
    if (!image) {
      image = new Image();
      image.src = viewOf(this.data.asset_ids[row], 256);
      this.views.set(row, image);
      if (this.views.size > 2000) this.views.delete(this.views.keys().next().value);
    }
    if (!image.complete || !image.naturalWidth) {
      if (later) image.addEventListener("load", later, { once: true });
      return false;
    }
    const shrink = side / Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth * shrink, image.naturalHeight * shrink];
    pen.imageSmoothingEnabled = shrink < 1;
    pen.drawImage(image, x + (side - width) / 2, y + (side - height) / 2, width, height);
    return true;
  }
}

const NONE = 65535;

/** The label column of the map, as it is now. @param {any} laid @param {string[]} names @returns {Uint16Array} */
function labelsOf(laid, names) {
  const place = new Map(names.map((name, at) => [name, at]));
  return Uint16Array.from(laid.label_ids, (/** @type {number} */ id) => place.get(laid.labels[id]) ?? NONE);
}

/** What people decided meanwhile, on the map that stands. @param {any} map */
async function relabel(map) {
  const laid = await get("/api/map"), { labels } = map.data;
  for (const name of Object.values(laid.labels)) if (!labels.includes(name)) labels.push(name);
  // A finer map that came meanwhile may lack pictures of this one, and have others.
  const now = new Map(laid.asset_ids.map((/** @type {number} */ id, /** @type {number} */ row) => [id, laid.label_ids[row]]));
  map.label = labelsOf({ labels: laid.labels, label_ids: map.data.asset_ids.map((/** @type {number} */ id) => now.get(id) ?? 0) }, labels);
  map.colours();
}

/** Bytes of a column as text, as the reports carry them. @param {Uint8Array | Uint16Array} column */
function packed(column) {
  const bytes = new Uint8Array(column.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** One column of places between 0 and 65,535, both at one scale. @param {number[]} x @param {number[]} y */
function places(x, y) {
  const least = (/** @type {number[]} */ column) => column.reduce((one, other) => Math.min(one, other), Infinity);
  const most = (/** @type {number[]} */ column) => column.reduce((one, other) => Math.max(one, other), -Infinity);
  const [left, top] = [least(x), least(y)], [wide, high] = [most(x) - left, most(y) - top], span = Math.max(wide, high) || 1;
  const packed = new Uint16Array(2 * x.length);
  for (let row = 0; row < x.length; row++) {
    packed[2 * row] = (NONE * (x[row] - left + (span - wide) / 2)) / span;
    packed[2 * row + 1] = (NONE * (y[row] - top + (span - high) / 2)) / span;
  }
  return packed;
}

/** The map, clusters and labels of the REST as the map of the reports takes them. @param {any} laid @param {any} found @param {any} members */
function dataOf(laid, found, members) {
  const n = laid.asset_ids.length;
  const at = new Map(members.asset_ids.map((/** @type {number} */ id, /** @type {number} */ row) => [id, row]));
  const labels = /** @type {string[]} */ (Object.values(laid.labels));
  const cluster = new Uint16Array(n).fill(NONE), core = new Uint8Array(n);
  for (let row = 0; row < n; row++) {
    const member = at.get(laid.asset_ids[row]);
    if (member !== undefined && members.clusters[member] >= 0) [cluster[row], core[row]] = [members.clusters[member], Number(members.core[member])];
  }
  const clusters = found.items.map((/** @type {any} */ one) => ({ name: one.names[0] ?? "", purity: one.purity, says: one.says, short: `${fixed(one.size)}, ${fixed(100 * one.purity)} % alike` }));
  return { n, xy: packed(places(laid.x, laid.y)), cluster: packed(cluster), core: packed(core), label: packed(labelsOf(laid, labels)), labels, clusters,
    asset_ids: laid.asset_ids, ids: laid.asset_ids.map((/** @type {number} */ id) => `picture ${id}`), contents: "", tiles: { columns: 1, width: 256, height: 256, sheets: [], held: n } };
}

async function look() {
  let grouped = false;
  try {
    const members = await get("/api/clusters/members");
    if (!members.asset_ids.length) return (part("nothing").hidden = part("running").childElementCount > 0);
    grouped = true;
    const [laid, found] = await Promise.all([get("/api/map"), get("/api/clusters")]);
    part("map").hidden = false;
    part("nothing").hidden = true;
    part("map").classList.add("picture-map");
    listen(new LibraryMap(part("map"), dataOf(laid, found, members)));
  } catch (error) {
    if (/** @type {any} */ (error).status !== 404) throw error;
    if (part("running").childElementCount) return;
    // Groups that were ordered without a map.
    if (grouped) return order("/api/map", { draft: true });
    part("nothing").hidden = false;
  }
}

/** @param {any} map */
function listen(map) {
  const changed = () => (map.choose([], ""), relabel(map));
  const label = async (/** @type {string} */ name) => {
    if (name) await labelAll(map.rowsChosen.map((/** @type {number} */ row) => map.data.asset_ids[row]), "confirm", name, changed);
  };
  map.find("decide").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    label(map.find("label").value.trim()).catch(sayFailed);
  });
  on("accept-name", "click", () => label(part("accept-name").value));
  on("undo", "click", () => takeBack(() => relabel(map)));
  undoByKey(() => relabel(map));
}

/** One order for all that is to be made: the server goes on with it when this page is left. @param {string} path @param {{lay_out?: boolean, draft?: boolean}} wanted */
async function order(path, wanted) {
  watch(await post(path, wanted));
}

/** The card of a job that makes groups or a map. What is there is shown: a draft of the map while the one that takes minutes is made. @param {any} job */
function watch(job) {
  let looked = false;
  part("nothing").hidden = true;
  const ended = async (/** @type {any} */ last) => {
    const shown = !part("map").hidden;
    if (last.state !== "done") return (part("nothing").hidden = shown);
    part("running").replaceChildren();
    if (shown) renew();
    else await look().catch(sayFailed);
  };
  part("running").replaceChildren(jobCard(job, ended, ({ said }) => {
    if (looked || !said.startsWith("map")) return;
    looked = true;
    if (part("map").hidden) look().catch(sayFailed);
  }));
}

/** What was ordered before, here or elsewhere, goes on. */
async function start() {
  const live = await Promise.all(["clusters", "map"].map((kind) => get(`/api/jobs?kind=${kind}&state=waiting&state=running&limit=1`)));
  const [job] = live.flatMap(({ items }) => items);
  if (job) watch(job);
  await look();
}

// Whoever has chosen pictures, or is typing their name, goes on with the map that stands.
function renew() {
  const busy = !(/** @type {HTMLElement} */ (document.querySelector(".map-chosen")).hidden);
  if (busy) say("The map is laid out more finely.", { act: "Show it", then: () => location.reload() });
  else location.reload();
}

on("make", "click", () => order("/api/clusters", { lay_out: true }));
start().catch(sayFailed);
