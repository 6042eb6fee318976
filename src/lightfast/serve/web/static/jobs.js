// Owns the page of jobs: those that run keep themselves up to date, new ones appear; a look for wrong labels is ordered here.
import { get, post } from "./api.js";
import { jobCard } from "./live.js";
import { on, part, sayFailed } from "./say.js";

/** @type {Set<string>} */
const shown = new Set();

async function look() {
  const { items } = await get("/api/jobs");
  for (const job of items.toReversed()) {
    if (shown.has(job.id)) continue;
    shown.add(job.id);
    part("jobs").prepend(jobCard(job));
  }
  part("nothing").hidden = shown.size > 0;
}

if (document.getElementById("curate")) {
  on("curate", "click", async () => {
    await post("/api/jobs", { kind: "curate" });
    await look();
  });
}
look().catch(sayFailed);
setInterval(() => document.hidden || look().catch(() => {}), 5000);
