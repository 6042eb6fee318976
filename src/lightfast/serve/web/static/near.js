// Owns the decided pictures nearest to the one in hand: asked for ahead, shown when they are there. The next picture never waits for them.
import { get } from "./api.js";
import { fixed } from "./numbers.js";
import { part } from "./say.js";
import { thumb } from "./thumb.js";

const KEPT = 60;
const ENOUGH = 3;
/** @type {Map<number, HTMLElement[] | null>} null: asked for. */
const known = new Map();
/** Pictures in a row that had nothing to compare: then nobody asks again on this page. */
let blind = 0;
let current = 0;

const whenIdle = (/** @type {() => void} */ act) => ("requestIdleCallback" in window ? requestIdleCallback(act, { timeout: 500 }) : setTimeout(act, 50));

/** Show what people said of the pictures most like this one (0: none), and ask for those of the next ones. @param {number} id @param {number[]} [next] @param {Promise<void>} [after] asked then. */
export function showNear(id, next = [], after = Promise.resolve()) {
  current = id;
  show();
  after.then(() => whenIdle(() => { for (const one of id ? [id, ...next] : next) ask(one); }));
}

function show() {
  const found = known.get(current) ?? [];
  part("near").replaceChildren(...found);
  if (found.length) part("near-part").hidden = false;
}

/** @param {number} id */
async function ask(id) {
  if (known.has(id) || blind >= ENOUGH) return;
  known.set(id, null);
  for (const first of known.keys()) if (known.size > KEPT) known.delete(first);
  try {
    const { items, compared } = await get(`/api/review/near/${id}`, { slow: true });
    blind = compared ? 0 : blind + 1;
    known.set(id, items.map((/** @type {any} */ one) => thumb({ id: one.asset_id }, one.labels.join(", "), { target: "_blank", title: `likeness ${fixed(one.similarity, 2)}` })));
    if (id === current) show();
  } catch {
    // They are a help, and asked for again when the picture comes; a server that is away is said by api.js.
    known.delete(id);
  }
}
