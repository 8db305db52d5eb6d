// Requests that get through in the end: they wait for the network, for the portal, for someone who has to
// sign in again, for a batch that is paused.

import { Lanes } from "./lanes.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const WAIT_FOR_STAFF_MS = 5000;
// A connection that says nothing for so long is as good as lost.
const SILENCE_MS = 120_000;

const LOST = "The connection was lost. This goes on by itself as soon as it is back.";
const BUSY = "The portal has much to do. This goes on by itself, with fewer files at once.";
const SIGNED_OUT = "You were signed out. Sign in again in another tab; this goes on by itself.";
const PAUSED = "The batch is paused. Sending goes on by itself as soon as the batch does.";

/**
 * @typedef {object} Answer
 * @property {boolean} ok
 * @property {number} status
 * @property {any} json null when it is something else
 * @property {string} text
 * @property {string} words those of a refusal
 *
 * @typedef {object} Options
 * @property {string} [type] of the body
 * @property {boolean} [html] whether the answer is a part of a page, not JSON
 * @property {boolean} [repeatable] whether what may have arrived can be sent again
 * @property {(part: number) => void} [progress] called with what part of the body, from 0 to 1, has gone
 */

/** Nothing more can be sent; the message says why. */
export class Stopped extends Error {}

/** Nobody knows whether it arrived. */
class Lost extends Error {}

export class Courier {
  /** @type {Set<XMLHttpRequest>} */
  #running = new Set();
  /** @type {Set<() => void>} */
  #waiting = new Set();
  #lanes = new Lanes();
  /** @type {Map<object, string>} */
  #troubles = new Map();
  /** @type {{over: Promise<void>, end: () => void}} */
  #held = null;

  /**
   * All requests go below this address, whose page renews the session's token.
   * @param {string} url
   */
  constructor(url) {
    this.url = url;
    window.addEventListener("online", () => this.#wake());
  }

  /** What keeps the requests waiting, in words; "" when nothing does. */
  get trouble() {
    const [words = ""] = this.#troubles.values();
    return words;
  }

  get isHeld() {
    return this.#held !== null;
  }

  /** Send nothing more until goOn(); what is on its way starts again then. */
  hold() {
    /** @type {() => void} */
    let end;
    /** @type {Promise<void>} */
    const over = new Promise((resolve) => {
      end = resolve;
    });
    this.#held = { over, end };
    for (const request of this.#running) request.abort();
    this.#wake();
  }

  goOn() {
    this.#held?.end();
    this.#held = null;
  }

  /**
   * Send until there is an answer.
   * Raises Stopped when the batch takes nothing more, and Lost instead of sending again what is not
   * `repeatable` and may have arrived.
   * @param {string} path
   * @param {XMLHttpRequestBodyInit} body
   * @param {Options} options
   * @returns {Promise<Answer>}
   */
  async post(path, body, { type = "", html = false, repeatable = true, progress } = {}) {
    const ticket = {};
    let renewed = 0;
    try {
      for (let tries = 1; ; tries += 1) {
        const request = await this.#sendInTurn(ticket, path, body, { type, html, progress });
        const answer = answerOf(request);
        const trouble = this.#troubleOf(request, answer, path, html);
        if (!trouble) {
          this.#lanes.gotThrough();
          return answer;
        }
        progress?.(0);
        if (this.isHeld) {
          tries = 0;
          continue;
        }
        if (!repeatable && trouble === LOST) throw new Lost();
        this.#troubles.set(ticket, trouble);
        if (trouble === SIGNED_OUT && (await this.#renewToken())) {
          renewed += 1;
          if (renewed === 1) continue;
          if (renewed > 3) throw refused(request);
        }
        if (trouble === BUSY) this.#lanes.fewer();
        const asked = Number(request.getResponseHeader("Retry-After")) * 1000 || 0;
        const growing = Math.min(LONGEST_WAIT_MS, Math.max(asked, FIRST_WAIT_MS * 2 ** (tries - 1)));
        await this.#wait(trouble === SIGNED_OUT || trouble === PAUSED ? WAIT_FOR_STAFF_MS : growing);
      }
    } finally {
      this.#troubles.delete(ticket);
    }
  }

  /**
   * Why it has to be sent again, in words; "" when this is the answer.
   * @param {XMLHttpRequest} request
   * @param {Answer} answer
   * @param {string} path
   * @param {boolean} html
   */
  #troubleOf(request, answer, path, html) {
    if (request.status === 507 && answer.words) return answer.words;
    if ((request.status === 429 || request.status === 503) && request.getResponseHeader("Retry-After")) return BUSY;
    if (request.status === 0 || request.status === 429 || request.status >= 500) return LOST;
    if (isOfStranger(request, answer, new URL(this.url + path, location.href).pathname, html)) return SIGNED_OUT;
    if (answer.ok) return "";
    if (!answer.json) throw refused(request);
    if (answer.json.status === "paused") return PAUSED;
    if (answer.json.status) throw new Stopped(answer.words);
    return "";
  }

  /**
   * Send as soon as a lane is free, and nobody has stopped the sending.
   * @param {object} ticket
   * @param {string} path
   * @param {XMLHttpRequestBodyInit} body
   * @param {Options} options
   * @returns {Promise<XMLHttpRequest>}
   */
  async #sendInTurn(ticket, path, body, options) {
    for (;;) {
      if (this.isHeld) {
        this.#troubles.delete(ticket);
        await this.#held.over;
      }
      await this.#lanes.take();
      try {
        if (!this.isHeld) return await this.#send(path, body, options);
      } finally {
        this.#lanes.free();
      }
    }
  }

  /**
   * @param {string} path
   * @param {XMLHttpRequestBodyInit} body
   * @param {Options} options
   * @returns {Promise<XMLHttpRequest>}
   */
  #send(path, body, { type, html, progress }) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      /** @type {number} */
      let silence;
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(() => request.abort(), SILENCE_MS);
      };
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        heard();
        progress?.(loaded / total);
      });
      request.addEventListener("loadend", () => {
        clearTimeout(silence);
        this.#running.delete(request);
        resolve(request);
      });
      request.open("POST", this.url + path);
      request.setRequestHeader("Accept", html ? "application/json, text/html" : "application/json");
      request.setRequestHeader("X-CSRFToken", token());
      if (type) request.setRequestHeader("Content-Type", type);
      this.#running.add(request);
      heard();
      request.send(body);
    });
  }

  // Whoever signed in again in another tab has another session, and with it another token.
  async #renewToken() {
    try {
      const response = await fetch(this.url, { headers: { Accept: "text/html" } });
      if (!response.ok || response.redirected) return false;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      document.body.setAttribute("hx-headers", page.body.getAttribute("hx-headers"));
      return true;
    } catch {
      // The network failed meanwhile: the next try finds out.
      return false;
    }
  }

  /**
   * @param {number} ms
   * @returns {Promise<void>}
   */
  #wait(ms) {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waiting.add(end);
    });
  }

  #wake() {
    for (const end of this.#waiting) end();
  }
}

/** @param {XMLHttpRequest} request */
function refused({ status }) {
  return new Stopped(`The portal refused this (${status}). Reload the page to see why.`);
}

/**
 * What every request of this session carries.
 * @returns {string}
 */
export function token() {
  return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}

/**
 * @param {XMLHttpRequest} request
 * @returns {Answer}
 */
function answerOf(request) {
  const isJson = (request.getResponseHeader("Content-Type") ?? "").startsWith("application/json");
  const json = isJson ? JSON.parse(request.responseText) : null;
  const ok = request.status >= 200 && request.status < 300;
  return { ok, status: request.status, json, text: request.responseText, words: json?.error ?? "" };
}

/**
 * Sent on to the sign-in page, or refused for a token of another session.
 * @param {XMLHttpRequest} request
 * @param {Answer} answer
 * @param {string} asked
 * @param {boolean} html
 */
function isOfStranger(request, answer, asked, html) {
  if (new URL(request.responseURL).pathname !== asked || request.status === 401) return true;
  if (request.status === 400 && !answer.json) return true;
  return answer.ok && !html && !answer.json;
}
