// Owns the page of people: names, roles, passwords, tokens of programs, and what happened. What was refused stays typed.
import { call, get, post } from "./api.js";
import { make, part, say, sayFailed } from "./say.js";

const day = (/** @type {string} */ text) => new Date(text).toLocaleDateString("en-GB", { dateStyle: "medium" });
const cell = (/** @type {(string | Node)[]} */ ...what) => make("td", {}, ...what);

/** @param {any} one */
function userRow(one) {
  const role = make("select", { ariaLabel: `Role of ${one.name}` }, ...["viewer", "reviewer", "admin"].map((name) => make("option", { textContent: name, selected: name === one.role })));
  const change = (/** @type {object} */ what, /** @type {string} */ said) => call("PATCH", `/api/users/${one.id}`, what).then(() => (say(said), look())).catch((error) => (sayFailed(error), look()));
  role.onchange = () => change({ role: role.value }, `${one.name} is ${role.value} now.`);
  const off = one.disabled_at !== null;
  const lock = make("button", { type: "button", textContent: off ? "Let in again" : "Lock out", onclick: () => change({ disabled: !off }, `${one.name} ${off ? "may log in again" : "is locked out"}.`) });
  return make("tr", { className: off ? "muted" : "" }, make("th", { scope: "row", textContent: one.name }, ...(one.can_log_in ? [] : [make("small", { className: "muted", textContent: " no password" })])), cell(role), cell(one.client ?? "all"), cell(day(one.created_at)), cell(make("div", { className: "row" }, lock)));
}

/** @param {any} one */
function tokenRow(one) {
  const revoke = make("button", { type: "button", className: "plain", textContent: "Revoke", onclick: () => call("DELETE", `/api/tokens/${one.id}`).then(look).catch(sayFailed) });
  return make("li", { className: "row" }, make("b", { textContent: one.note || "(no note)" }), make("span", { className: "muted small", textContent: `since ${day(one.created_at)}` }), revoke);
}

async function look() {
  const [users, tokens] = await Promise.all([get("/api/users"), get("/api/tokens")]);
  part("users").replaceChildren(...users.items.map(userRow));
  part("nobody").hidden = users.items.some((/** @type {any} */ one) => one.can_log_in);
  part("everybody").hidden = !users.items.length;
  showPeople(users.items.map((/** @type {any} */ one) => one.name));
  part("tokens").replaceChildren(...tokens.items.filter((/** @type {any} */ one) => !one.revoked_at).map(tokenRow));
}

/** @param {string} id @param {(said: any) => Promise<void>} send */
function form(id, send) {
  part(id).addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    send(Object.fromEntries(new FormData(part(id)))).then(() => (part(id).reset(), look())).catch(sayFailed);
  });
}

form("add", async (said) => {
  await post("/api/users", said);
  say(`${said.name} may log in.`);
});
form("token", async (said) => {
  const { secret } = await post("/api/tokens", said);
  part("new-token").replaceChildren("Copy it now, it is not shown again: ", make("kbd", { textContent: secret }));
});
look().catch(sayFailed);

let older = /** @type {string | null} */ (null);

/** @param {string[]} names */
function showPeople(names) {
  const { value } = part("history-person");
  part("history-person").replaceChildren(make("option", { value: "", textContent: "everybody" }), ...names.map((name) => make("option", { textContent: name })));
  part("history-person").value = value;
}

/** @param {any} one */
function historyRow(one) {
  const about = Object.entries(one.detail).map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(", ") : value}`).join(" · ");
  const when = new Date(one.at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return make("tr", {}, cell(when), cell(one.person ?? "–"), cell(one.act), cell(about));
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

part("history-filter").addEventListener("change", () => happened().catch(sayFailed));
part("older").addEventListener("click", () => happened(true).catch(sayFailed));
happened().catch(sayFailed);
