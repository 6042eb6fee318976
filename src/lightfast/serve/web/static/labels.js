// Owns the page of labels: the tree of the library's own, and what each client calls them. Every change can be taken back at once; what was refused stays typed.
import { call, get, post } from "./api.js";
import { fixed } from "./numbers.js";
import { button, cell, choices, make, numeral, on, part, say, sayFailed } from "./say.js";

/** @typedef {{id: number, name: string, client: string, parent_id: number | null, same_as_id: number | null, retired_at: string | null, confirmed: number, suggested: number, rejected: number}} Label */

const MAY = Boolean(part("labels").dataset.may);
/** @type {Label[]} */
let labels = [];
let client = "";

const own = () => labels.filter((one) => !one.client);

/** Labels with how deep they stand, each below its parent. @returns {[Label, number][]} */
function tree() {
  /** @type {[Label, number][]} */
  const rows = [];
  const walk = (/** @type {number | null} */ parent, /** @type {number} */ depth) => {
    for (const one of own()) if (one.parent_id === parent) rows.push([one, depth]), walk(one.id, depth + 1);
  };
  walk(null, 0);
  return rows;
}

/** Change a label, and offer to change it back. @param {Label} one @param {Partial<Label> & {retired?: boolean}} what @param {string} said */
async function change(one, what, said) {
  const before = Object.fromEntries(Object.keys(what).map((name) => [name, name === "retired" ? Boolean(one.retired_at) : one[/** @type {"name"} */ (name)]]));
  await call("PATCH", `/api/labels/${one.id}`, what);
  await done(said, () => call("PATCH", `/api/labels/${one.id}`, before));
}

/** @param {string} said @param {() => Promise<unknown>} back */
async function done(said, back) {
  await look();
  say(said, { seconds: 10, act: "Undo", then: () => back().then(look).then(() => say("Taken back."), sayFailed) });
}

/** @param {Label} one */
async function drop(one) {
  await call("DELETE", `/api/labels/${one.id}`);
  const { name, parent_id, same_as_id } = one;
  await done(`${name} is removed.`, async () => {
    const made = await post("/api/labels", { name, parent_id, same_as_id, client: one.client });
    if (one.retired_at) await call("PATCH", `/api/labels/${made.id}`, { retired: true });
  });
}

/** A field whose text becomes the value when it is left or Enter is pressed. @param {string} value @param {string} ariaLabel @param {(text: string) => unknown} act */
function field(value, ariaLabel, act) {
  const made = make("input", { value, ariaLabel, autocomplete: "off", readOnly: !MAY });
  made.onchange = () => Promise.resolve(act(made.value.trim())).catch(sayFailed);
  return made;
}

/** What the client calls a label: new, another word, or none. @param {Label} one @param {string} text */
async function nameFor(one, text) {
  const known = labels.find((other) => other.client === client && other.same_as_id === one.id);
  if (known && !text) return drop(known);
  if (known) return change(known, { name: text }, `${client} says ${text} for ${one.name}.`);
  if (!text) return;
  const made = await post("/api/labels", { name: text, client, same_as_id: one.id });
  await done(`${client} says ${text} for ${one.name}.`, () => call("DELETE", `/api/labels/${made.id}`));
}

/** @param {[Label, number]} row */
function labelRow([one, depth]) {
  const name = field(one.name, `Name of ${one.name}`, (text) => (text ? change(one, { name: text }, `${one.name} is called ${text} now.`) : (name.value = one.name)));
  const under = make("select", { ariaLabel: `${one.name} stands under`, disabled: !MAY }, ...places(one));
  under.onchange = () => change(one, { parent_id: Number(under.value) || null }, `${one.name} stands ${under.value ? `under ${under.selectedOptions[0].textContent}` : "on top"} now.`).catch((error) => (sayFailed(error), (under.value = String(one.parent_id ?? ""))));
  const head = make("th", { scope: "row" }, make("div", { className: "row" }, name, ...(one.retired_at ? [make("span", { className: "badge", textContent: "retired" })] : [])));
  head.style.paddingLeft = `${1 + 1.4 * Math.min(depth, 8)}rem`;
  const said = labels.find((other) => other.client === client && other.same_as_id === one.id);
  const word = client ? field(said?.name ?? "", `${client} calls ${one.name}`, (text) => nameFor(one, text)) : labels.filter((other) => other.same_as_id === one.id).map((other) => `${other.client}: ${other.name}`).join(", ");
  const acts = !MAY ? [] : [
    button(one.retired_at ? "Take up again" : "Retire", () => change(one, { retired: !one.retired_at }, one.retired_at ? `${one.name} is in use again.` : `${one.name} is retired: nobody is asked about it; what people said stays.`)),
    button("Remove", () => drop(one), "plain"),
  ];
  return make("tr", { className: one.retired_at ? "muted" : "" }, head, numeral(fixed(one.confirmed)), numeral(fixed(one.suggested)), cell(under), cell(word), cell(make("div", { className: "row" }, ...acts)));
}

/** Where a label may stand: anywhere but below itself, which the server refuses. @param {Label} [one] */
const places = (one) => [make("option", { value: "", textContent: "on top" }), ...own().filter((other) => other !== one).map((other) => make("option", { value: String(other.id), textContent: other.name, selected: other.id === one?.parent_id }))];

async function look() {
  labels = (await get("/api/labels")).items;
  const rows = tree();
  part("labels").replaceChildren(...rows.map(labelRow));
  part("table").hidden = !rows.length;
  part("nothing").hidden = rows.length > 0;
  part("under").replaceChildren(...places());
  part("client-names").replaceChildren(...choices([...new Set(labels.map((one) => one.client).filter(Boolean))]));
  part("words").textContent = client ? `Names of ${client}` : "Clients’ names";
}

on("add", "submit", async () => {
  const name = part("name").value.trim();
  const made = await post("/api/labels", { name, parent_id: Number(part("under").value) || null });
  part("name").value = "";
  await done(`${name} is added.`, () => call("DELETE", `/api/labels/${made.id}`));
});
on("client", "change", () => {
  client = part("client").value.trim();
  return look();
});
look().catch(sayFailed);
