// Owns the button that logs out.
import { call } from "./api.js";
import { part, sayFailed } from "./say.js";

part("log-out").addEventListener("click", () => call("DELETE", "/api/session").then(() => location.assign("/login"), sayFailed));
