// Parts of a page that ask for themselves again (hx-get with hx-trigger) while work goes on.
//
// What changes is said once: an element with an id and data-announce="words" is read out when its words
// are others than before. Nothing else of a polled part is announced, and the focus stays where it is.
import { announce } from "./page.js";

/** @type {Map<string, string>} */
const said = new Map();

/**
 * Say what a new piece of the page says otherwise than the piece before it.
 * @param {HTMLElement} root
 */
export function sayWhatChanged(root) {
  for (const element of [root, ...root.querySelectorAll("[data-announce]")]) {
    const words = element.dataset.announce;
    if (!words) continue;
    if (said.has(element.id) && said.get(element.id) !== words) announce(words);
    said.set(element.id, words);
  }
}

export function watchPolling() {
  // Where the session has ended the page would be left for the sign-in page; not while something is typed or chosen.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.status === 401 && isBegun()) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    const asked = new URL(requestConfig.path, location.href).pathname;
    // Answered from elsewhere: the session has ended, and this is the sign-in page. Go there whole.
    if (requestConfig.verb === "get" && xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
      event.detail.shouldSwap = false;
      if (!isBegun()) location.reload();
    }
  });
  document.addEventListener("htmx:sendError", () => {
    announce("The portal can't be reached at the moment. This page goes on trying.");
  });
}

/** Whether somebody has begun to fill in a form of this page. */
function isBegun() {
  /** @type {NodeListOf<HTMLInputElement | HTMLTextAreaElement>} */
  const fields = document.querySelectorAll("main input:not([type=hidden]), main textarea");
  return Array.from(fields).some((field) =>
    field instanceof HTMLInputElement && field.type === "file"
      ? field.files.length > 0
      : field.value !== field.defaultValue,
  );
}
