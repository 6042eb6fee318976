// Owns every request to the REST: the token against forged requests, idempotency keys, tries while the server is away, and errors as one sentence.
import { serverAway } from "./say.js";

/** An answer that is no success, as problem+json tells it. */
export class Problem extends Error {
  /** @param {number} status @param {{title?: string, detail?: unknown, cure?: string}} said */
  constructor(status, said) {
    const detail = typeof said.detail === "string" ? said.detail : said.title || `The server answered ${status}.`;
    super(capital(said.cure && !detail.includes(said.cure) ? `${detail.replace(/\.?$/, ".")} ${said.cure}` : detail));
    this.name = "Problem";
    this.status = status;
  }
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const AWAY = [502, 503, 504];
const PATIENCE = 60_000;
/** Milliseconds without an answer until it is said; a database that is away is waited for by the server. */
const LONG = 5_000;
export const pause = (/** @type {number} */ milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** A name for an act, so that it is done once however often it is sent. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const csrf = () => document.querySelector("meta[name=csrf]")?.getAttribute("content") ?? "";

/**
 * One request, again while the server is away (for a minute): a write carries a key, so that it happens once.
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] JSON, or a FormData as it is.
 * @param {{signal?: AbortSignal, key?: string, slow?: boolean}} [more] `slow`: it is known to take long.
 * @returns {Promise<any>}
 */
export async function call(method, path, body, { signal, key = newKey(), slow = body instanceof FormData } = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "Idempotency-Key": key, "X-CSRF-Token": csrf() });
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers["Content-Type"] = "application/json";
  asking(1);
  try {
    return await tried(path, slow, { method, headers, signal, body: form ? body : body === undefined ? undefined : JSON.stringify(body) });
  } finally {
    asking(-1);
  }
}

/** How many requests are on their way, for who waits for a page to come to rest. @param {number} more */
function asking(more) {
  const { dataset } = document.documentElement;
  dataset.asking = String(Number(dataset.asking ?? 0) + more);
}

/** @param {string} path @param {boolean} slow @param {RequestInit} request */
async function tried(path, slow, request) {
  const end = Date.now() + PATIENCE;
  for (let wait = 200; ; wait = Math.min(2 * wait, 2000)) {
    let answer = null;
    const waiting = slow ? 0 : setTimeout(() => serverAway(true, "The server takes long to answer. Nothing is lost: waiting …"), LONG);
    try {
      answer = await fetch(path, request);
    } catch (error) {
      if (request.signal?.aborted) throw error;
    } finally {
      clearTimeout(waiting);
    }
    if (answer && !AWAY.includes(answer.status)) {
      serverAway(false);
      return read(answer);
    }
    if (Date.now() + wait > end) {
      if (answer) return read(answer);
      throw new Error("The server does not answer. What was not confirmed is still on this page; try again when it runs.");
    }
    serverAway(true);
    await pause(wait);
  }
}

/** @param {Response} answer */
async function read(answer) {
  if (answer.status === 204) return null;
  const kind = answer.headers.get("Content-Type") ?? "";
  const said = kind.includes("json") ? await answer.json() : kind.startsWith("text/") ? await answer.text() : null;
  if (answer.ok) return said;
  if (answer.status === 401 && location.pathname !== "/login") location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  throw new Problem(answer.status, said && typeof said === "object" ? said : {});
}

/** @param {string} path @param {{signal?: AbortSignal, slow?: boolean}} [more] */
export const get = (path, more) => call("GET", path, undefined, more);
/** @param {string} path @param {unknown} [body] @param {{signal?: AbortSignal, key?: string}} [more] */
export const post = (path, body = {}, more) => call("POST", path, body, more);

/** The address of a view of a picture, by its longest side. @param {number} id @param {256 | 1024} [side] */
export const viewOf = (id, side = 1024) => `/api/assets/${id}/view/${side}`;
