// Owns adding pictures: files and folders that are dropped or chosen go up some dozens at a time; what could not be read is named with its reason.
import { call, get, newKey } from "./api.js";
import { jobCard } from "./live.js";
import { counted, fixed } from "./numbers.js";
import { make, on, part, say, sayFailed } from "./say.js";

const MOST_FILES = 48;
const MOST_BYTES = 96 * 2 ** 20;

const drop = part("drop");
/** @type {{name: string, unreadable: string}[]} */
const unreadable = [];
let [added, known] = [0, 0];

/** Every file of what was dropped, those in folders too. @param {DataTransfer} brought @returns {Promise<File[]>} */
async function filesOf(brought) {
  const entries = [...brought.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...brought.files];
  const found = /** @type {File[]} */ ([]);
  const walk = async (/** @type {any} */ entry) => {
    if (entry.isFile) found.push(await new Promise((done, failed) => entry.file(done, failed)));
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((done, failed) => reader.readEntries(done, failed));
        if (!some.length) break;
        for (const one of some) await walk(one);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

/** Parts that one request may bring. @param {File[]} files @returns {File[][]} */
function parts(files) {
  /** @type {File[][]} */
  const made = [];
  let bytes = 0;
  for (const file of files) {
    if (!made.length || made[made.length - 1].length >= MOST_FILES || bytes + file.size > MOST_BYTES) [bytes, made[made.length]] = [0, []];
    made[made.length - 1].push(file);
    bytes += file.size;
  }
  return made;
}

/** @param {File[]} files */
async function upload(files) {
  const wanted = files.filter((file) => file.size && !file.name.startsWith("."));
  if (!wanted.length) return say("There is no file in what was dropped.", { kind: "failed" });
  part("adding").hidden = false;
  const bar = part("adding-bar");
  [bar.max, bar.value] = [wanted.length, 0];
  for (const some of parts(wanted)) {
    const form = new FormData();
    for (const file of some) form.append("files", file, file.webkitRelativePath || file.name);
    const said = await call("POST", "/api/assets", form, { key: newKey() });
    for (const one of said.items) {
      if (one.unreadable !== null) unreadable.push(one);
      else if (one.known) known += 1;
      else added += 1;
    }
    bar.value += some.length;
    tell(wanted.length - bar.value);
  }
}

/** @param {number} left */
function tell(left) {
  part("added").textContent = [
    `${counted(added, "picture")} added`, known ? `${fixed(known)} ${known === 1 ? "was" : "were"} there already` : "",
    unreadable.length ? `${counted(unreadable.length, "file")} could not be read` : "", left ? `${counted(left, "file")} to go` : "",
  ].filter(Boolean).join(", ") + ".";
  part("unread").hidden = !unreadable.length;
  part("reasons").replaceChildren(...unreadable.map((one) => make("li", {}, make("b", { textContent: one.name }), ` ${one.unreadable}`)));
  part("after").hidden = !added && !known;
}

for (const [field, choose] of [["files", "choose"], ["folder", "choose-folder"]]) {
  on(field, "change", (event) => upload([...event.target.files]));
  on(choose, "click", () => part(field).click());
}
for (const name of ["dragover", "dragleave", "drop"])
  addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
  });
addEventListener("drop", (event) => {
  const brought = /** @type {DragEvent} */ (event).dataTransfer;
  if (brought) filesOf(brought).then(upload).catch(sayFailed);
});
get("/api/jobs?limit=5").then((said) => {
  // A folder in which there is no picture has failed before anybody looks here.
  const running = said.items.filter((/** @type {any} */ one, /** @type {number} */ at) => ["waiting", "running"].includes(one.state) || (!at && one.kind === "add" && one.state === "failed"));
  // What a job added is counted by the page itself, and the ways on stand there: not while files go up here.
  const ended = (/** @type {any} */ job) => job.state === "done" && part("adding").hidden && location.reload();
  part("running").replaceChildren(...running.map((/** @type {any} */ one) => jobCard(one, ended)));
}).catch(() => {});
