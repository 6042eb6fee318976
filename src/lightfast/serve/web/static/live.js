// Owns what goes on meanwhile: jobs with their progress by server-sent events, time left, cancel.
import { get, post } from "./api.js";
import { fixed } from "./numbers.js";
import { button, make, sayFailed } from "./say.js";

/** @typedef {{id: string, kind: string, state: string, done: number, total: number, said: string, seconds_left: number | null, error: string | null, result: any}} Job */

const ENDED = ["done", "failed", "cancelled"];

/**
 * Call `told` with the job whenever it moves, until it ends. The browser connects again by itself where the line breaks.
 * @param {string} id
 * @param {(job: Job) => void} told
 * @returns {Promise<Job>} the job as it ended.
 */
export function follow(id, told) {
  return new Promise((ended) => {
    const events = new EventSource(`/api/jobs/${id}/events`);
    const seen = (/** @type {Job} */ job) => {
      told(job);
      if (!ENDED.includes(job.state)) return;
      events.close();
      ended(job);
    };
    const heard = (/** @type {MessageEvent} */ event) => seen(JSON.parse(event.data));
    events.addEventListener("job", heard);
    events.onerror = () => { if (events.readyState === EventSource.CLOSED) get(`/api/jobs/${id}`).then(seen, sayFailed); };
  });
}

/** Seconds as a person says them. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${fixed(seconds / 3600, 1)} h`;
}

/** A card of one job that keeps itself up to date. @param {Job} job @param {(job: Job) => void} [ended] @param {(job: Job) => void} [moved] called whenever it moves. */
export function jobCard(job, ended, moved) {
  const bar = make("progress", { ariaLabel: `${job.kind}: how far` }), says = make("p", { className: "small muted" });
  const state = make("span", { className: "badge" });
  const cancel = button("Cancel", () => post(`/api/jobs/${job.id}/cancel`).then(() => (cancel.disabled = true)), "plain");
  const again = button("Try again", () => post(`/api/jobs/${job.id}/retry`).then((now) => (show(now), follow(job.id, show))).then((last) => ended?.(last)), "plain");
  const log = make("a", { href: `/api/jobs/${job.id}/log`, textContent: "Log", className: "small" });
  const card = make("article", { className: "panel job" }, make("div", { className: "row" }, make("h3", { textContent: job.kind.replaceAll("_", " ") }), state, cancel, again, log), bar, says);
  const show = (/** @type {Job} */ now) => {
    state.textContent = now.state;
    state.className = `badge ${now.state}`;
    bar.hidden = cancel.hidden = ENDED.includes(now.state);
    again.hidden = !["failed", "cancelled"].includes(now.state);
    if (now.total) [bar.max, bar.value] = [now.total, now.done];
    const count = now.total ? `${fixed(now.done)} of ${fixed(now.total)}` : now.done ? fixed(now.done) : "";
    says.textContent = now.error ?? [now.said, count, now.seconds_left ? `${duration(now.seconds_left)} left` : ""].filter(Boolean).join(" · ");
    says.classList.toggle("wrong-text", Boolean(now.error));
    moved?.(now);
  };
  show(job);
  if (!ENDED.includes(job.state)) follow(job.id, show).then((last) => ended?.(last));
  return card;
}
