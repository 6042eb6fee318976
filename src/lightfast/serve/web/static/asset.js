// Owns the page of one picture: its labels, what people decided about it, where it looks to the model, damage and repair, and what is alike.
import { get, newKey, post, viewOf } from "./api.js";
import { takeBack } from "./decide.js";
import { fixed, moment, percent } from "./numbers.js";
import { button, choices, facts, make, meter, on, part, say, sayFailed } from "./say.js";
import { sized, thumb } from "./thumb.js";

const id = Number(part("asset").dataset.id);
/** Whether this person may label and repair: the page has forms for it then. */
const MAY = Boolean(document.getElementById("add"));
const SAID = /** @type {Record<string, string>} */ ({ confirm: "said", reject: "said it is not", skip: "skipped", second_opinion: "asked for a second opinion", send_back: "sent back", undo: "took back", redo: "did again" });
const muted = (/** @type {string} */ textContent) => make("li", { className: "muted", textContent });

/** @param {{act: "confirm" | "reject", label_id?: number, label?: string}} what */
async function decide(what) {
  const said = await post("/api/review/decide", { acts: [{ asset_id: id, key: newKey(), ...what }], over: true });
  await look();
  say(said.kept.length ? "Somebody else's decision stays." : "Noted.", { act: "Undo", then: () => takeBack(look) });
}

/** @param {any} tag */
function tagRow(tag) {
  const how = tag.by_person ? "by a person" : tag.state === "confirmed" ? `by rule, ${percent(tag.probability)}` : percent(tag.probability);
  const row = make("li", { className: `tag-row ${tag.state}` }, make("span", { textContent: tag.label }), make("span", { className: "muted small", textContent: how }), meter(tag.score));
  const says = (/** @type {"confirm" | "reject"} */ act, /** @type {string} */ text) => button(text, () => decide({ act, label_id: tag.label_id }), "plain");
  if (MAY && !tag.by_person) row.append(make("span", { className: "row" }, says("confirm", "Yes"), says("reject", "No")));
  return row;
}

async function look() {
  const { asset, places, history } = await get(`/api/assets/${id}`);
  const picture = part("picture");
  sized(picture, asset.width, asset.height);
  [picture.width, picture.height] = [asset.width, asset.height];
  document.title = `${asset.name} · Lightfast`;
  part("tags").replaceChildren(...(asset.tags.length ? asset.tags.map(tagRow) : [muted("None yet.")]));
  const acts = history.toReversed().map((/** @type {any} */ one) => make("li", { className: one.holds ? "" : "muted" }, make("b", { textContent: one.user }), ` ${SAID[one.act]} ${one.label ?? ""} `, make("span", { className: "muted", textContent: moment(one.at) })));
  part("history").replaceChildren(...(acts.length ? acts : [muted("Nobody has decided anything.")]));
  facts("facts", [["Name", asset.name], ["Size", `${asset.width} × ${asset.height}`], ["Format", asset.format], ["Taken", moment(asset.taken_at)], ["Added", moment(asset.added_at)], ...places.map((/** @type {any} */ one) => /** @type {[string, string]} */ (["Place", `${one.uri}${one.lost_at ? " (lost)" : ""}`]))]);
}

async function near() {
  const { items } = await get(`/api/search?like=${id}&limit=13`, { slow: true });
  part("near-part").hidden = false;
  part("near").replaceChildren(...items.filter((/** @type {any} */ one) => one.asset.id !== id).map((/** @type {any} */ { asset, similarity }) => thumb(asset, fixed(similarity, 2))));
  if (!items.length) part("near").append(make("p", { className: "muted", textContent: "Nothing is alike, or no picture has been embedded yet: group the pictures first." }));
}

/** Something that takes the server a while, with the button that asks for it held. @param {any} asked @param {string} text @param {() => Promise<string>} act gives what is to be said. */
async function slowly(asked, text, act) {
  const said = part("explained");
  [said.textContent, asked.disabled] = [text, true];
  try {
    said.textContent = await act();
  } catch (error) {
    said.textContent = "";
    throw error;
  } finally {
    asked.disabled = false;
  }
}

/** @param {string} method */
async function explained(method) {
  // Asked for first, so that a refusal can be read; the browser has it then.
  const address = `/api/explain/${id}?method=${method}`;
  await get(address, { slow: true }).catch((error) => { part("explain").value = ""; throw error; });
  part("picture").src = address;
  return "Coloured where the model finds what speaks for its label.";
}

async function repaired() {
  const found = await get(`/api/repair/${id}`, { slow: true });
  const read = (/** @type {"before" | "after"} */ which, /** @type {string} */ title) => make("figure", {}, Object.assign(new Image(), { src: `/api/repair/${id}/${which}`, alt: `${title} repair`, className: "crisp" }),
    make("figcaption", {}, make("b", { textContent: title }), ...found[which].map((/** @type {any} */ one) => make("span", { className: "tag-row" }, make("span", { textContent: one.label }), make("span", { className: "muted small", textContent: percent(one.probability) }), meter(one.probability)))));
  part("damage").textContent = found.damage === "clean" ? `No damage is found (${percent(found.sure)} sure).` : `${found.damage === "unknown" ? "Damage of an unknown kind" : `Damage: ${found.damage}, severity ${found.severity} of 5`} (${percent(found.sure)} sure). ${found.kept ? "The repaired picture is read better, and counts." : found.attempted ? "The repair makes it no surer: the first reading stands." : ""} ${found.reason ? `For a person: ${found.reason}.` : ""}`;
  part("repaired").replaceChildren(read("before", "Before"), ...(found.attempted ? [read("after", "After")] : []));
  part("repair-part").hidden = false;
  part("repair-part").scrollIntoView({ block: "nearest" });
  return "";
}

on("explain", "change", () => {
  const method = part("explain").value;
  if (method) return slowly(part("explain"), "looking …", () => explained(method));
  [part("picture").src, part("explained").textContent] = [viewOf(id), ""];
});
on("alike", "click", near);
look().catch((error) => {
  if (error.status !== 404) return sayFailed(error);
  part("asset").hidden = true;
  part("nothing").hidden = false;
});
if (MAY) {
  on("repair", "click", () => slowly(part("repair"), "repairing …", repaired));
  on("add", "submit", async () => {
    await decide({ act: "confirm", label: part("label").value.trim() });
    part("label").value = "";
  });
  get("/api/labels?client=").then(({ items }) => part("words").replaceChildren(...choices(items.filter((/** @type {any} */ one) => !one.retired_at).map((/** @type {any} */ one) => one.name))), sayFailed);
}
