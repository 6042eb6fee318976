// Owns the wish for more pictures to decide: a job chooses those whose labels would teach most, and its progress is shown meanwhile.
import { post } from "./api.js";
import { jobCard } from "./live.js";
import { counted } from "./numbers.js";
import { on, part, say } from "./say.js";

const COUNT = 50;

/** Listen to the button of an empty queue. @param {() => Promise<unknown>} come called when they wait. */
export function offerMore(come) {
  const button = part("more"), place = part("choosing");
  on("more", "click", async () => {
    button.disabled = true;
    try {
      const job = await post("/api/jobs", { kind: "select", arguments: { count: COUNT } });
      place.replaceChildren(jobCard(job, async (last) => {
        button.disabled = false;
        if (last.state !== "done") return;
        place.replaceChildren();
        say(`${counted(last.result.queued, "picture")} ${last.result.queued === 1 ? "waits" : "wait"} for you.`, { seconds: 3 });
        await come();
      }));
    } catch (error) {
      button.disabled = false;
      throw error;
    }
  });
}
