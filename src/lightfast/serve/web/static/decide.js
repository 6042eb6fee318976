// Owns what every page but the review does with decisions: about many pictures at once, told in one sentence, and taken back.
import { newKey, post } from "./api.js";
import { counted } from "./numbers.js";
import { isForPage, say, sayFailed } from "./say.js";

/**
 * Label pictures, or say what they are not, as one act that `undo` takes back.
 * @param {number[]} ids @param {"confirm" | "reject"} act @param {string} label its name; a new one is made. @param {(ids: number[]) => unknown} changed called with the pictures that are others now.
 */
export async function labelAll(ids, act, label, changed) {
  const { decision_ids, kept } = await post("/api/review/decide", { acts: ids.map((asset_id) => ({ asset_id, act, label, key: newKey() })) });
  await changed(ids);
  const left = kept.length ? ` ${kept.length} kept the decision of somebody else.` : "";
  say(`${counted(decision_ids.length, "picture")} ${act === "confirm" ? "labelled" : "marked as not"} ${label}.${left}`, { seconds: 8, act: "Undo", then: () => takeBack(changed) });
}

/** Take back the last act of this person. @param {(ids: number[]) => unknown} changed */
export async function takeBack(changed) {
  try {
    const { decision_ids, asset_ids } = await post("/api/review/undo");
    await changed(asset_ids);
    say(decision_ids.length ? `${counted(decision_ids.length, "decision")} taken back.` : "There is nothing to undo.");
  } catch (error) {
    sayFailed(error);
  }
}

/** The key z takes back, wherever nobody types. @param {(ids: number[]) => unknown} changed */
export function undoByKey(changed) {
  addEventListener("keydown", (event) => { if (event.key === "z" && isForPage(event)) takeBack(changed); });
}
