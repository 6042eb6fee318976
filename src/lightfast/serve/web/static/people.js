// Owns the page of people: names, roles, passwords, tokens of programs, and what happened. What was refused stays typed.
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

/** @param {any} one */
function tokenRow(one) {
  const limits = [`of ${one.user}`, one.role ? `at most ${one.role}` : "", one.client ? `sees only ${one.client}` : "", `since ${day(one.created_at)}`, one.expires_at ? `until ${day(one.expires_at)}` : ""];
  const revoke = button("Revoke", () => call("DELETE", `/api/tokens/${one.id}`).then(look), "plain");
  return make("li", { className: "row" }, make("b", { textContent: one.note || "(no note)" }), make("span", { className: "muted small", textContent: limits.filter(Boolean).join(" · ") }), revoke);
}

async function look() {
  const [users, tokens] = await Promise.all([get("/api/users"), get("/api/tokens")]);
  part("users").replaceChildren(...users.items.map(userRow));
  part("nobody").hidden = users.items.some((/** @type {any} */ one) => one.can_log_in);
  part("everybody").hidden = !users.items.length;
  showPeople(users.items);
  part("tokens").replaceChildren(...tokens.items.filter((/** @type {any} */ one) => !one.revoked_at).map(tokenRow));
}

/** @param {string} id @param {(said: any) => Promise<void>} send */
function form(id, send) {
  on(id, "submit", async () => {
    await send(Object.fromEntries(new FormData(part(id))));
    part(id).reset();
    await look();
  });
}

form("add", async (said) => {
  await post("/api/users", said);
  say(`${said.name} may log in.`);
});
form("token", async ({ note, user_id, role, client, days }) => {
  const { secret } = await post("/api/tokens", { note, user_id: Number(user_id) || null, role: role || null, client: client.trim() || null, days: Number(days) || null });
  part("new-token").replaceChildren("Copy it now, it is not shown again: ", make("kbd", { textContent: secret }));
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
