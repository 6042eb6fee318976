// Owns the page of blinded tests: which there are, how far oneself is, starting one, and the results once they may be seen.
import { get, post } from "./api.js";
import { jobCard } from "./live.js";
import { between, counted, day, fixed, pointsBetween, tenths } from "./numbers.js";
import { button, make, meter, named, numeral, part, sayFailed } from "./say.js";

/** @typedef {{id: string, source: string, model: string | null, class_names: string[], n: number, made_at: string, mine: any, observed: boolean, labelled: number, people: any[] | null}} Test */

/** @param {Test} test */
function card(test) {
  const { mine, people } = test;
  const may = mine.finished || (test.observed && people);
  const acts = [];
  if (!mine.finished && !test.observed) acts.push(make("a", { className: "button first", href: `/human/${test.id}`, textContent: mine.answered ? "Go on" : "Begin" }));
  if (may) acts.push(button("Results", () => results(test), mine.finished ? "first" : ""));
  else if (people) acts.push(Object.assign(button("See the results instead", () => observe(test)), { title: "You cannot take the test afterwards." }));
  const says = [`${counted(test.n, "picture")}, ${counted(test.class_names.length, "class", "classes")}`, test.model ? `beside ${test.model}` : "without a model", `since ${day(test.made_at)}`];
  const others = people?.map((one) => `${one.person} ${one.answered} of ${one.total}`).join(", ");
  return make("article", { className: "panel test", id: `test-${test.id}` }, make("h2", { textContent: test.source }), make("p", { className: "small muted", textContent: says.join(" · ") }),
    make("div", {}, make("p", { className: "small", textContent: test.observed ? "You have seen the results, and cannot take it any more." : `You have answered ${mine.answered} of ${mine.total}.` }), meter(mine.answered / mine.total)),
    ...(others ? [make("p", { className: "small muted", textContent: `So far: ${others}.` })] : []), make("div", { className: "row" }, ...acts));
}

/** @param {Test} test */
async function observe(test) {
  await post(`/api/human/${test.id}/observe`);
  await look();
  await results(test);
}

const all = /** @type {HTMLInputElement | null} */ (document.getElementById("unfinished"));

/** @param {Test} test */
async function results(test) {
  const { baseline, unfinished, notes } = await get(`/api/human/${test.id}/results${all?.checked ? "?unfinished=true" : ""}`);
  if (all) all.onchange = () => results(test).catch(sayFailed);
  part("results-title").textContent = `Results: ${test.source}`;
  const figure = (/** @type {string} */ name, /** @type {any} */ one) => make("div", {}, make("dt", { textContent: `${name} (${between(one.accuracy_interval)}, n ${fixed(one.n)})` }), make("dd", { textContent: tenths(one.accuracy) }));
  part("figures").replaceChildren(
    ...(baseline.accuracy === null ? [] : [figure(baseline.people.length > 1 ? "people, on average" : baseline.people[0].person, baseline)]),
    ...(baseline.majority ? [figure("their majority", baseline.majority)] : []), ...(baseline.model ? [figure(baseline.model.name, baseline.model)] : []));
  part("people").replaceChildren(...baseline.people.map(personRow));
  const kappas = baseline.pairs.map((/** @type {any} */ one) => kappaRow(`${one.first} and ${one.second}`, one.kappa));
  for (const one of baseline.people) if (one.kappa_with_model) kappas.push(kappaRow(`${one.person} and the model`, one.kappa_with_model));
  if (baseline.fleiss) kappas.unshift(kappaRow("all people (Fleiss)", baseline.fleiss));
  part("kappas").replaceChildren(...kappas);
  part("agreement").hidden = !kappas.length;
  const said = [baseline.people.length ? "“Don’t know” counts as wrong. Differences are person minus model on the same pictures, with McNemar’s test." : "Nobody has answered all pictures yet.", ...(unfinished.length ? [`Not finished: ${unfinished.join(", ")}.`] : []), ...notes];
  part("notes").replaceChildren(...said.map((text) => make("li", { textContent: text })));
  const shown = !part("results").hidden;
  part("results").hidden = false;
  if (!shown) part("results").focus();
}

/** @param {any} one */
function personRow(one) {
  const paired = one.versus_model;
  return named(one.person, ...[fixed(one.n), tenths(one.accuracy), between(one.accuracy_interval), fixed(one.dont_know), paired ? pointsBetween(paired) : "",
    paired ? (paired.p_value < 0.001 ? "< 0.001" : fixed(paired.p_value, 3)) : "", fixed(one.median_seconds, 1)].map(numeral));
}

/** @param {string} name @param {any} kappa */
function kappaRow(name, kappa) {
  const [low, high] = kappa.interval;
  return named(name, ...[kappa.value === null ? "not defined" : fixed(kappa.value, 2), `${fixed(low, 2)} to ${fixed(high, 2)}`, fixed(kappa.n)].map(numeral));
}

async function look() {
  const { items } = await get("/api/human");
  part("tests").replaceChildren(...items.map(card));
  part("nothing").hidden = items.length > 0;
  return items;
}

document.getElementById("start")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { n, seed, data, run } = Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (event.target)));
  const order = { n: Number(n), seed: Number(seed), data: String(data).trim() || null, run: String(run).trim() || null };
  post("/api/human", order).then((job) => part("running").prepend(jobCard(job, () => look().catch(sayFailed)))).catch(sayFailed);
});
look().then((items) => {
  const wanted = items.find((/** @type {Test} */ one) => `#${one.id}` === location.hash);
  if (wanted?.mine.finished) return results(wanted);
}).catch(sayFailed);
