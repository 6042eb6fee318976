// Owns the button that logs out.
import { call } from "./api.js";
import { on } from "./say.js";

on("log-out", "click", () => call("DELETE", "/api/session").then(() => location.assign("/login")));
