// Owns the page of models: which is in use, promote, back to the one before, train with the new decisions, and what each training brought.
import { get, post } from "./api.js";
import { jobCard } from "./live.js";
import { make, part, say, sayFailed } from "./say.js";

const day = (/** @type {string | null} */ text) => (text ? new Date(text).toLocaleDateString("en-GB", { dateStyle: "medium" }) : "");
const cell = (/** @type {string} */ text, name = "") => make("td", { className: name, textContent: text });

/** @param {any} one */
function modelRow(one) {
  const { accuracy, accuracy_interval: interval, n } = one.metrics;
  const promote = make("button", { type: "button", textContent: "Use it", onclick: () => act(`/api/models/${one.id}/promote`, `${one.name} is in use.`) });
  const name = make("th", { scope: "row", textContent: one.name });
  if (one.in_use) name.append(" ", make("span", { className: "badge use", textContent: "in use" }));
  return make("tr", {}, name, cell(accuracy === undefined ? "" : `${(100 * accuracy).toFixed(1)} %`, "num"),
    cell(interval ? `${(100 * interval[0]).toFixed(1)} – ${(100 * interval[1]).toFixed(1)}${n ? `, n ${n.toLocaleString("en")}` : ""}` : "", "num"),
    cell(one.class_names.slice(0, 5).join(", ") + (one.class_names.length > 5 ? ` and ${one.class_names.length - 5} more` : "")),
    cell(day(one.promoted_at ?? one.added_at)), make("td", {}, make("div", { className: "row" }, ...(one.in_use ? [] : [promote]))));
}

/** @param {any} one */
function ledgerRow(one) {
  const { paired, n } = one.figures, points = (/** @type {number} */ share) => `${share > 0 ? "+" : ""}${(100 * share).toFixed(1)}`;
  const worth = paired ? `${points(paired.difference)} (${points(paired.difference_interval[0])} to ${points(paired.difference_interval[1])})` : "";
  const share = (/** @type {number | undefined} */ value) => (value === undefined || value === null ? "" : `${(100 * value).toFixed(1)} %`);
  return make("tr", {}, cell(day(one.at)), cell(one.decisions.toLocaleString("en"), "num"), cell(one.minutes.toFixed(0), "num"), cell(share(paired?.before_accuracy), "num"), cell(share(paired?.after_accuracy ?? one.figures.accuracy), "num"), cell(worth, "num"), cell(n.toLocaleString("en"), "num"), cell(one.verdict));
}

async function look() {
  const { items, ledger } = await get("/api/models");
  part("models").replaceChildren(...items.toReversed().map(modelRow));
  part("table").hidden = !items.length;
  part("nothing").hidden = items.length > 0;
  part("tag").hidden = !items.some((/** @type {any} */ one) => one.in_use);
  part("rollback").disabled = items.filter((/** @type {any} */ one) => one.promoted_at && !one.rolled_back_at).length < 2;
  part("ledger").replaceChildren(...ledger.toReversed().map(ledgerRow));
  part("ledger-part").hidden = !ledger.length;
}

/** @param {string} path @param {string} said */
function act(path, said) {
  post(path).then(() => (say(said), look())).catch(sayFailed);
}

/** Order a job and watch it here. @param {string} path @param {object} [what] */
function order(path, what = {}) {
  post(path, what).then((job) => part("running").prepend(jobCard(job, () => look().catch(sayFailed)))).catch(sayFailed);
}

part("rollback").addEventListener("click", () => act("/api/models/rollback", "The model before is in use again."));
part("tag").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  order("/api/jobs", { kind: "tag", arguments: { accept: part("accept").value || null } });
});
part("retrain").addEventListener("click", () => order("/api/models/retrain"));
look().catch(sayFailed);
get("/api/jobs").then(({ items }) => {
  for (const job of items) if (["waiting", "running"].includes(job.state)) part("running").append(jobCard(job, () => look().catch(sayFailed)));
}, () => {});
