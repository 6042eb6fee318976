// Owns the form that logs in: what was refused stays typed.
import { post } from "./api.js";
import { part } from "./say.js";

const form = part("log-in"), refused = part("refused");
form.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  try {
    await post("/api/session", Object.fromEntries(new FormData(form)));
    const next = new URLSearchParams(location.search).get("next") ?? "/";
    location.assign(/^\/(?!\/)/.test(next) ? next : "/");
  } catch (error) {
    refused.textContent = /** @type {Error} */ (error).message;
    refused.hidden = false;
  }
});
