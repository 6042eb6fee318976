// Owns the page of models: which is in use, promote, back to the one before, train with the new decisions, and what each training brought.
import { get, post } from "./api.js";
import { jobCard } from "./live.js";
import { showModel } from "./model_card.js";
import { between, day, fixed, moment, pointsBetween, tenths } from "./numbers.js";
import { button, cell, make, numeral, on, part, say, sayFailed } from "./say.js";

/** The model whose card is open. */
let open = Number(location.hash.slice(1)) || 0;

/** When it was taken into use, and by whom. @param {any} one */
const promoted = (one) => (one.promoted_at ? `${moment(one.promoted_at)}${one.promoted_by ? ` by ${one.promoted_by}` : ""}` : `not yet; added ${day(one.added_at)}`);

/** @param {any} one */
function modelRow(one) {
  const { accuracy, accuracy_interval: interval, n } = one.metrics;
  const link = make("a", { href: `#${one.id}`, textContent: one.name });
  if (one.id === open) link.ariaCurrent = "true";
  const name = make("th", { scope: "row" }, link);
  if (one.in_use) name.append(" ", make("span", { className: "badge use", textContent: "in use" }));
  const others = one.class_names.length - 5;
  return make("tr", {}, name, numeral(tenths(accuracy)), numeral(interval ? `${between(interval)}${n ? `, n ${fixed(n)}` : ""}` : ""),
    cell(one.class_names.slice(0, 5).join(", ") + (others > 0 ? ` and ${others} more` : "")), cell(promoted(one)),
    cell(make("div", { className: "row" }, ...(one.in_use || !part("models").dataset.may ? [] : [button("Use it", () => act(`/api/models/${one.id}/promote`, `${one.name} is in use.`))]))));
}

/** @param {any} one */
function ledgerRow(one) {
  const { paired, n, accuracy } = one.figures;
  const figures = [fixed(one.decisions), fixed(one.minutes), tenths(paired?.before_accuracy), tenths(paired?.after_accuracy ?? accuracy), paired ? pointsBetween(paired) : "", fixed(n)];
  return make("tr", {}, cell(day(one.at)), ...figures.map(numeral), cell(one.verdict));
}

async function look() {
  const { items, ledger } = await get("/api/models");
  const used = items.find((/** @type {any} */ one) => one.in_use);
  if (!items.some((/** @type {any} */ one) => one.id === open)) open = (used ?? items.at(-1))?.id ?? 0;
  part("models").replaceChildren(...items.toReversed().map(modelRow));
  part("table").hidden = !items.length;
  part("nothing").hidden = items.length > 0;
  part("lead").hidden = !used;
  part("tag").hidden = !used || !part("card").dataset.allowed;
  part("rollback").disabled = items.filter((/** @type {any} */ one) => one.promoted_at && !one.rolled_back_at).length < 2;
  part("ledger").replaceChildren(...ledger.toReversed().map(ledgerRow));
  part("ledger-part").hidden = !ledger.length;
  if (open && part("card").dataset.allowed) await showModel(open, order);
}

/** @param {string} path @param {string} said */
async function act(path, said) {
  await post(path);
  say(said);
  await look();
}

/** @param {any} job */
const watched = (job) => jobCard(job, () => look().catch(sayFailed));

/** Order a job and watch it here. @param {string} path @param {object} [what] */
async function order(path, what = {}) {
  part("running").prepend(watched(await post(path, what)));
}

on("rollback", "click", () => act("/api/models/rollback", "The model before is in use again."));
on("tag", "submit", () => order("/api/jobs", { kind: "tag", arguments: { accept: part("accept").value || null } }));
on("retrain", "click", () => order("/api/models/retrain"));
addEventListener("hashchange", () => {
  open = Number(location.hash.slice(1)) || 0;
  look().catch(sayFailed);
});
look().catch(sayFailed);
if (part("card").dataset.allowed) get("/api/jobs?state=waiting&state=running").then(({ items }) => part("running").append(...items.map(watched)), () => {});
