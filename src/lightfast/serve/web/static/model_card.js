// Owns the card of one model: its figures, the confusion matrix whose cells open their pictures, what a precision costs, damage, more pictures.
import { get } from "./api.js";
import { between, counted, fixed, hundredths, percent, tenths } from "./numbers.js";
import { button, cell, choices, facts, make, named, numeral, on, part, sayFailed } from "./say.js";
import { thumb } from "./thumb.js";

const ASKED = [0.9, 0.95, 0.98, 0.99];
const WHICH = /** @type {Record<string, string>} */ ({ test: "the test pictures of its run", library: "pictures of this library that people labelled" });
let model = 0;

/** The card of a model, by its number. @param {number} id @param {(path: string, what?: object) => Promise<void>} order orders a job, and shows it. */
export async function showModel(id, order) {
  model = id;
  const card = await get(`/api/models/${id}`);
  if (id !== model) return;
  part("card-name").textContent = card.model.name;
  figures(card);
  part("robust-part").hidden = !card.robustness;
  if (card.robustness) robustness(card.robustness);
  part("curve").replaceChildren(...card.curve.map((/** @type {string} */ textContent) => make("p", { textContent })));
  part("curve-part").hidden = !card.curve.length;
  ways(card, order);
  part("card").hidden = false;
  part("confusion-part").hidden = part("cost-part").hidden = true;
  await Promise.all([card.one_label === false ? null : confusion(card.test_predictions), card.val_predictions ? costs(ASKED) : null]);
}

/** @param {any} card */
function figures({ figures: said, model: { metrics } }) {
  const interval = (/** @type {[number, number] | undefined} */ ends) => (ends ? ` (${between(ends)})` : "");
  const { n = metrics.n, accuracy = metrics.accuracy, accuracy_interval = metrics.accuracy_interval } = said;
  facts("figures", [
    ["Accuracy", accuracy === undefined ? "" : tenths(accuracy) + interval(accuracy_interval)], ["All labels right", tenths(said.exact_match) + interval(said.exact_match_interval)],
    ["Macro F1", tenths(said.macro_f1) + interval(said.macro_f1_interval)], ["Calibration error", said.ece === undefined ? "" : `${tenths(said.ece)}, by chance up to ${tenths(said.ece_by_chance)}`],
    ["Test pictures", fixed(n)], ["Learned from", said.parts ? counted(said.parts.train, "picture") : ""], ["Network", said.model], ["Seed", said.seed],
  ]);
  const rows = said.per_class ?? said.per_label ?? [];
  part("classes-part").hidden = !rows.length;
  part("classes").replaceChildren(...rows.map((/** @type {any} */ one) => named(one.name, ...[tenths(one.precision), tenths(one.recall), tenths(one.f1), fixed(one.support ?? one.positives)].map(numeral))));
}

/** What can be measured here, and what is missing with the command that makes it. @param {any} card @param {(path: string, what?: object) => Promise<void>} order */
function ways({ ways: missing, one_label, robustness: known, curve }, order) {
  part("measure").hidden = !known && !curve.length && !missing.robustness && !missing.curve;
  part("measure-robustness").hidden = part("suite-part").hidden = one_label === false;
  part("measure-robustness").onclick = () => order(`/api/models/${model}/robustness`, { suite: part("suite").value }).catch(sayFailed);
  part("measure-curve").onclick = () => order(`/api/models/${model}/learning-curve`).catch(sayFailed);
  const texts = [["robustness", "Accuracy under damage is not measured yet"], ["curve", "How many more pictures would help is not measured yet"], ["repair", "There is no repair kit yet"]];
  part("ways").replaceChildren(...texts.filter(([name]) => missing[name]).map(([name, text]) => make("li", {}, `${text}: `, make("code", { textContent: missing[name] }))));
  part("ways-part").hidden = !part("ways").children.length;
}

/** On the test pictures where they can be opened here, else on those of the library. @param {boolean} tested */
async function confusion(tested) {
  const id = model, found = await Promise.all([...(tested ? ["test"] : []), "library"].map((which) => get(`/api/models/${id}/confusion?pictures=${which}`, { slow: true })));
  if (id !== model) return;
  const some = found.filter((one) => one.n);
  part("confusion-part").hidden = !some.length;
  if (!some.length) return;
  part("which").replaceChildren(...choices(some.map((one) => [one.pictures, `${WHICH[one.pictures]} (${fixed(one.n)})`])));
  const show = () => matrix(some.find((one) => one.pictures === part("which").value));
  part("which").value = (some.find((one) => one.reachable) ?? some[0]).pictures;
  part("which").onchange = show;
  show();
}

/** @param {any} said */
function matrix({ pictures, class_names: names, counts, pairs, n, reachable, note }) {
  const opens = (/** @type {string} */ shown, /** @type {string} */ given, /** @type {string} */ predicted, look = "plain") => reachable ? button(shown, () => pile(pictures, given, predicted), look) : make("span", { textContent: shown });
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "is ↓ read as →" }), ...names.map((/** @type {string} */ textContent) => make("th", { scope: "col", className: "num", textContent }))));
  const rows = (counts ?? []).map((/** @type {number[]} */ row, /** @type {number} */ at) => {
    const most = Math.max(1, row.reduce((one, other) => one + other, 0));
    return named(names[at], ...row.map((count, column) => {
      const shown = cell(count ? opens(fixed(count), names[at], names[column], "plain num") : "", `num${at === column ? " right" : ""}`);
      shown.style.setProperty("--share", `${Math.round(100 * count / most)}%`);
      return shown;
    }));
  });
  part("matrix").hidden = !counts;
  part("matrix").replaceChildren(make("caption", { className: "visually-hidden", textContent: "Confusion matrix" }), head, make("tbody", {}, ...rows));
  part("pairs").replaceChildren(...pairs.slice(0, 8).map((/** @type {any} */ one) => make("li", {}, opens(`${one.given} read as ${one.read}`, one.given, one.read), make("span", { className: "muted small", textContent: ` ${one.count} of ${one.support}, ${tenths(one.share)} (${between(one.interval)})` }))));
  part("confusion-note").textContent = [`${counted(n, "picture")}.`, reachable === n ? "" : reachable ? `${fixed(reachable)} of them are in this library and can be opened.` : "None of them is in this library, so that no cell can be opened.", note].filter(Boolean).join(" ");
  part("pile-part").hidden = true;
}

/** The pictures of one cell. @param {string} pictures @param {string} given @param {string} predicted */
async function pile(pictures, given, predicted) {
  const { items, reachable, count } = await get(`/api/models/${model}/confusion/pictures?${new URLSearchParams({ pictures, given, predicted })}`, { slow: true });
  part("pile-title").textContent = given === predicted ? `${given}, read rightly` : `${given}, read as ${predicted}`;
  part("pile-note").textContent = reachable === count ? (items.length < count ? `The first ${items.length} of ${fixed(count)}.` : "") : `${fixed(reachable)} of ${counted(count, "picture")} are in this library.`;
  part("pile").replaceChildren(...items.map((/** @type {any} */ one) => thumb(one, one.name)));
  part("pile-part").hidden = false;
  part("pile-part").scrollIntoView({ block: "nearest" });
}

/** @param {number[]} wanted */
async function costs(wanted) {
  const id = model, { items, provable } = await get(`/api/models/${id}/review-cost?${new URLSearchParams(wanted.map((one) => ["precision", String(one)]))}`, { slow: true });
  if (id !== model) return;
  // Where none of them can be proven, the highest that can be is of use.
  if (provable && !wanted.includes(provable) && items.every((/** @type {any} */ one) => one.threshold === null)) return costs([provable, ...wanted]);
  part("cost-part").hidden = false;
  part("provable").textContent = provable ? `At most ${tenths(provable)} can be proven on its validation pictures.` : "Nothing can be proven on its validation pictures.";
  part("costs").replaceChildren(...items.map((/** @type {any} */ one) => {
    const all = one.accepted + one.queued, proven = one.threshold !== null;
    return make("tr", { title: one.says, className: proven ? "" : "muted" }, make("th", { scope: "row", className: "num", textContent: hundredths(one.precision) }),
      ...[proven ? fixed(one.threshold, 3) : "not proven", proven ? `${percent(one.val_passed / one.val_n)} of ${fixed(one.val_n)}` : "", tenths(one.val_precision),
        all ? `${fixed(one.accepted)} (${percent(one.accepted / all)})` : "", all ? fixed(one.queued) : ""].map(numeral));
  }));
  part("unseen").hidden = items.some((/** @type {any} */ one) => one.accepted + one.queued);
}

/** @param {any} said */
function robustness(said) {
  const severities = [...new Set(said.rows.map((/** @type {any} */ one) => one.severity))].sort();
  part("robust-note").textContent = `${said.suite}, ${counted(said.n, "picture")}, seed ${said.seed}: ${tenths(said.clean_accuracy)} undamaged, ${tenths(said.robust_accuracy)} (${between(said.robust_interval)}) on average over all damage.`;
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: "Damage" }), ...severities.map((one) => make("th", { scope: "col", className: "num", textContent: `severity ${one}` }))));
  const names = [...new Set(said.rows.map((/** @type {any} */ one) => one.corruption))];
  const body = make("tbody", {}, ...names.map((name) => named(String(name), ...severities.map((severity) => numeral(tenths(said.rows.find((/** @type {any} */ one) => one.corruption === name && one.severity === severity)?.accuracy))))));
  part("robust").replaceChildren(make("caption", { className: "visually-hidden", textContent: "Accuracy under damage" }), head, body);
}

on("cost-form", "submit", () => {
  const wanted = Number(part("wanted").value) / 100;
  return costs([...new Set([...ASKED, wanted])].sort());
});
