// Owns the tokens of programs on the page of people: of an admin everybody's, else the own. What was refused stays typed.
import { call, get, post } from "./api.js";
import { day } from "./numbers.js";
import { button, make, on, part, sayFailed } from "./say.js";

/** @param {any} one */
function tokenRow(one) {
  const limits = [`of ${one.user}`, one.role ? `at most ${one.role}` : "", one.client ? `sees only ${one.client}` : "", `since ${day(one.created_at)}`, one.expires_at ? `until ${day(one.expires_at)}` : ""];
  const revoke = button("Revoke", () => call("DELETE", `/api/tokens/${one.id}`).then(look), "plain");
  return make("li", { className: "row" }, make("b", { textContent: one.note || "(no note)" }), make("span", { className: "muted small", textContent: limits.filter(Boolean).join(" · ") }), revoke);
}

async function look() {
  const { items } = await get("/api/tokens");
  part("tokens").replaceChildren(...items.filter((/** @type {any} */ one) => !one.revoked_at).map(tokenRow));
}

on("token", "submit", async () => {
  const { note, user_id, role, client, days } = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(part("token"))));
  const { secret } = await post("/api/tokens", { note, user_id: Number(user_id) || null, role: role || null, client: client?.trim() || null, days: Number(days) || null });
  part("new-token").replaceChildren("Copy it now, it is not shown again: ", make("kbd", { textContent: secret }));
  part("token").reset();
  await look();
});
look().catch(sayFailed);
