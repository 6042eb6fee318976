// Owns the page of models: which is in use, promote, back to the one before, train with the new decisions, and what each training brought.
import { get, post } from "./api.js";
import { jobCard } from "./live.js";
import { make, part, percent, say, sayFailed } from "./say.js";

const day = (/** @type {string | null} */ text) => (text ? new Date(text).toLocaleDateString("en-GB", { dateStyle: "medium" }) : "");
const cell = (/** @type {string} */ text, name = "") => make("td", { className: name, textContent: text });

/** @param {any} one */
function modelRow(one) {
  const { accuracy, accuracy_interval: interval, n } = one.metrics;
  const promote = make("button", { type: "button", textContent: "Use it", onclick: () => act(`/api/models/${one.id}/promote`, `${one.name} is in use.`) });
  const tag = make("button", { type: "button", textContent: "Tag pictures", onclick: () => order(`/api/models/${one.id}/tag`) });
  const name = make("th", { scope: "row", textContent: one.name });
  if (one.in_use) name.append(" ", make("span", { className: "badge use", textContent: "in use" }));
  return make("tr", {}, name, cell(accuracy === undefined ? "" : `${(100 * accuracy).toFixed(1)} %`, "num"),
    cell(interval ? `${(100 * interval.low).toFixed(1)} – ${(100 * interval.high).toFixed(1)}${n ? `, n ${n.toLocaleString("en")}` : ""}` : "", "num"),
    cell(one.class_names.slice(0, 5).join(", ") + (one.class_names.length > 5 ? ` and ${one.class_names.length - 5} more` : "")),
    cell(day(one.promoted_at ?? one.added_at)), make("td", {}, make("div", { className: "row" }, tag, ...(one.in_use ? [] : [promote]))));
}

/** @param {any} one */
function ledgerRow(one) {
  const { accuracy_before: before, accuracy_after: after, points, interval, n } = one.figures;
  const worth = points === undefined ? "" : `${points > 0 ? "+" : ""}${points.toFixed(1)}${interval ? ` (${interval.low.toFixed(1)} to ${interval.high.toFixed(1)})` : ""}`;
  return make("tr", {}, cell(day(one.at)), cell(one.decisions.toLocaleString("en"), "num"), cell(one.minutes.toFixed(0), "num"), cell(percent(before), "num"), cell(percent(after), "num"), cell(worth, "num"), cell(n?.toLocaleString("en") ?? "", "num"), cell(one.verdict));
}

async function look() {
  const [models, ledger] = await Promise.all([get("/api/models"), get("/api/models/ledger")]);
  part("models").replaceChildren(...models.items.toReversed().map(modelRow));
  part("table").hidden = !models.items.length;
  part("nothing").hidden = models.items.length > 0;
  part("rollback").disabled = models.items.filter((/** @type {any} */ one) => one.promoted_at && !one.rolled_back_at).length < 2;
  part("ledger").replaceChildren(...ledger.items.toReversed().map(ledgerRow));
  part("ledger-part").hidden = !ledger.items.length;
}

/** @param {string} path @param {string} said */
function act(path, said) {
  post(path).then(() => (say(said), look())).catch(sayFailed);
}

/** Order a job and watch it here. @param {string} path */
function order(path) {
  post(path).then((job) => part("running").prepend(jobCard(job, () => look().catch(sayFailed)))).catch(sayFailed);
}

part("rollback").addEventListener("click", () => act("/api/models/rollback", "The model before is in use again."));
part("retrain").addEventListener("click", () => order("/api/models/retrain"));
look().catch(sayFailed);
get("/api/jobs").then(({ items }) => {
  for (const job of items) if (["waiting", "running"].includes(job.state)) part("running").append(jobCard(job, () => look().catch(sayFailed)));
}, () => {});
