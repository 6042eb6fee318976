// Owns the page of one picture: its labels, what people decided about it, where it looks to the model, and what is alike.
import { get, newKey, post, viewOf } from "./api.js";
import { make, meter, part, percent, say, sayFailed } from "./say.js";

const id = Number(part("asset").dataset.id);
const SAID = /** @type {Record<string, string>} */ ({ confirm: "said", reject: "said it is not", skip: "skipped", second_opinion: "asked for a second opinion", send_back: "sent back", undo: "took back", redo: "did again" });
const when = (/** @type {string | null} */ text) => (text ? new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "");

/** @param {{act: "confirm" | "reject", label_id?: number, label?: string}} what */
async function decide(what) {
  const said = await post("/api/review/decide", { acts: [{ asset_id: id, key: newKey(), ...what }], over: true });
  await look();
  say(said.kept.length ? "Somebody else's decision stays." : "Noted.", { act: "Undo", then: () => post("/api/review/undo").then(look, sayFailed) });
}

/** @param {any} tag */
function tagRow(tag) {
  const how = tag.by_person ? "by a person" : tag.state === "confirmed" ? `by rule, ${percent(tag.probability)}` : percent(tag.probability);
  const row = make("li", { className: `tag-row ${tag.state}` }, make("span", { textContent: tag.label }), make("span", { className: "muted small", textContent: how }), meter(tag.score));
  if (!tag.by_person) {
    const yes = make("button", { type: "button", className: "plain", textContent: "Yes", onclick: () => decide({ act: "confirm", label_id: tag.label_id }).catch(sayFailed) });
    const no = make("button", { type: "button", className: "plain", textContent: "No", onclick: () => decide({ act: "reject", label_id: tag.label_id }).catch(sayFailed) });
    row.append(make("span", { className: "row" }, yes, no));
  }
  return row;
}

async function look() {
  const { asset, places, history } = await get(`/api/assets/${id}`);
  const picture = part("picture");
  picture.classList.toggle("crisp", Math.max(asset.width, asset.height) < 128);
  [picture.width, picture.height] = [asset.width, asset.height];
  document.title = `${asset.name} · Lightfast`;
  part("tags").replaceChildren(...asset.tags.map(tagRow));
  if (!asset.tags.length) part("tags").append(make("li", { className: "muted", textContent: "None yet." }));
  part("history").replaceChildren(...history.toReversed().map((/** @type {any} */ one) => make("li", { className: one.holds ? "" : "muted" }, make("b", { textContent: one.user }), ` ${SAID[one.act]} ${one.label ?? ""} `, make("span", { className: "muted", textContent: when(one.at) }))));
  if (!history.length) part("history").append(make("li", { className: "muted", textContent: "Nobody has decided anything." }));
  const facts = [["Name", asset.name], ["Size", `${asset.width} × ${asset.height}`], ["Format", asset.format], ["Taken", when(asset.taken_at)], ["Added", when(asset.added_at)], ...places.map((/** @type {any} */ one) => ["Place", `${one.uri}${one.lost_at ? " (lost)" : ""}`])];
  part("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", { textContent: value })]));
}

async function near() {
  const { items } = await get(`/api/search?like=${id}&limit=13`);
  part("near-part").hidden = false;
  part("near").replaceChildren(...items.filter((/** @type {any} */ one) => one.asset.id !== id).map((/** @type {any} */ { asset, similarity }) => make("a", { href: `/assets/${asset.id}` }, Object.assign(new Image(), { src: viewOf(asset.id, 256), alt: asset.name }), make("small", { textContent: similarity?.toFixed(2) ?? "" }))));
  if (!items.length) part("near").append(make("p", { className: "muted", textContent: "Nothing is alike, or no picture has been embedded yet: group the pictures first." }));
}

part("add").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  try {
    await decide({ act: "confirm", label: part("label").value.trim() });
    part("label").value = "";
  } catch (error) {
    sayFailed(error);
  }
});
part("explain").addEventListener("change", async () => {
  const method = part("explain").value, said = part("explained");
  if (!method) return [part("picture").src, said.textContent] = [viewOf(id), ""];
  said.textContent = "looking …";
  const address = `/api/explain/${id}?method=${method}`;
  try {
    // Asked for first, so that a refusal can be read; the browser has it then.
    await get(address);
    part("picture").src = address;
    said.textContent = "Coloured where the model finds what speaks for its label.";
  } catch (error) {
    [part("explain").value, said.textContent] = ["", ""];
    sayFailed(error);
  }
});
part("alike").addEventListener("click", () => near().catch(sayFailed));
look().catch((error) => {
  if (error.status !== 404) return sayFailed(error);
  part("asset").hidden = true;
  part("nothing").hidden = false;
});
