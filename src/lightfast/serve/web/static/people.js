// Owns what admins see on the page of people: names, roles, passwords, and what happened. What was refused stays typed.
import { call, get, post } from "./api.js";
import { day, moment } from "./numbers.js";
import { button, cell, choices, make, on, part, say, sayFailed } from "./say.js";

/** @param {any} one */
function userRow(one) {
  const role = make("select", { ariaLabel: `Role of ${one.name}` }, ...choices(["viewer", "reviewer", "admin"]));
  role.value = one.role;
  const change = (/** @type {object} */ what, /** @type {string} */ said) => call("PATCH", `/api/users/${one.id}`, what).then(() => (say(said), look())).catch((error) => (sayFailed(error), look()));
  role.onchange = () => change({ role: role.value }, `${one.name} is ${role.value} now.`);
  const off = one.disabled_at !== null;
  const lock = button(off ? "Let in again" : "Lock out", () => change({ disabled: !off }, `${one.name} ${off ? "may log in again" : "is locked out"}.`));
  return make("tr", { className: off ? "muted" : "" }, make("th", { scope: "row", textContent: one.name }, ...(one.can_log_in ? [] : [make("small", { className: "muted", textContent: " no password" })])), cell(role), cell(one.client ?? "all"), cell(day(one.created_at)), cell(make("div", { className: "row" }, lock)));
}

async function look() {
  const users = await get("/api/users");
  part("users").replaceChildren(...users.items.map(userRow));
  part("nobody").hidden = users.items.some((/** @type {any} */ one) => one.can_log_in);
  part("everybody").hidden = !users.items.length;
  showPeople(users.items);
}

on("add", "submit", async () => {
  const said = Object.fromEntries(new FormData(part("add")));
  await post("/api/users", said);
  say(`${said.name} may log in.`);
  part("add").reset();
  await look();
});
look().catch(sayFailed);

let older = /** @type {string | null} */ (null);

/** The people that can be chosen: whose token, and whose history. @param {any[]} people */
function showPeople(people) {
  const own = part("token-user").dataset.own;
  const open = people.filter((one) => one.name !== own && !one.disabled_at);
  choose("history-person", "everybody", people.map((one) => [one.name, one.name]));
  choose("token-user", "yourself", open.map((one) => [String(one.id), one.name]));
}

/** @param {string} id @param {string} nobody @param {[string, string][]} rows */
function choose(id, nobody, rows) {
  const { value } = part(id);
  part(id).replaceChildren(...choices([["", nobody], ...rows]));
  part(id).value = value;
}

/** @param {any} one */
function historyRow(one) {
  const about = Object.entries(one.detail).map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(", ") : value}`).join(" · ");
  return make("tr", {}, cell(moment(one.at)), cell(one.person ?? "–"), cell(one.act), cell(about));
}

/** A page of what happened: the newest, or with `more` the one after. */
async function happened(more = false) {
  const said = Object.fromEntries(new FormData(part("history-filter")));
  const query = new URLSearchParams(Object.entries({ ...said, limit: "25", cursor: more ? older ?? "" : "" }).filter(([, value]) => value).map(([name, value]) => [name, String(value)]));
  const { items, next } = await get(`/api/audit?${query}`);
  if (!more) part("history").replaceChildren();
  part("history").append(...items.map(historyRow));
  older = next;
  part("older").hidden = next === null;
  part("history-none").hidden = part("history").childElementCount > 0;
}

on("history-filter", "change", () => happened());
on("older", "click", () => happened(true));
happened().catch(sayFailed);
