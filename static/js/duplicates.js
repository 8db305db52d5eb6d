// The page of a pair: both faces zoomed together, other photos compared, decisions by keys; and the pair
// is kept for whoever has the page open.
import { announce, fresh } from "./page.js";

// The portal lets go of a pair of which it heard nothing for 90 s (portal/duplicates/judging.py). In a tab
// behind others browsers let this happen once a minute only, which is enough.
const HEARD_EVERY_MS = 30_000;
// The square in which faces are aligned, and the height of their middle (portal/web/duplicates/aligning.py).
const SIDE = 112;
const MIDDLE = 61;
const TYPING = "input:not([type=radio], [type=range]), textarea, select, dialog";

/** @param {HTMLElement} root */
export function pairPages(root) {
  for (const page of fresh(root, "[data-pair-page]", "Pair")) {
    zoomTogether(page);
    chooseOnThePage(page);
    if (page.dataset.reserve) keep(page);
    const title = page.querySelector("h1");
    title.focus({ preventScroll: true });
    const news = document.querySelector(":is([data-decided], .flashes) .notice__title");
    if (news) requestAnimationFrame(() => announce(`${news.textContent.trim()} ${title.textContent.trim()}`));
  }
}

/** Keys press the links and buttons that name them, unless someone types. */
export function pairKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (/** @type {Element} */ (event.target).closest(TYPING) || document.querySelector("dialog[open]")) return;
    /** @type {HTMLButtonElement} */
    const control = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!control || control.disabled) return;
    event.preventDefault();
    if (control.tagName === "SUMMARY") open(control.closest("details"));
    else control.click();
  });
}

/** @param {HTMLElement} root */
export function printButtons(root) {
  for (const button of fresh(root, "[data-print]", "Print")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
}

/** @param {HTMLDetailsElement} details */
function open(details) {
  details.open = true;
  details.querySelector("input").focus();
}

/** @param {HTMLElement} page */
function zoomTogether(page) {
  const zoom = page.querySelector("[data-zoom]");
  zoom.hidden = false;
  const range = zoom.querySelector("input");
  range.addEventListener("input", () => {
    const side = SIDE / range.valueAsNumber;
    const top = Math.min(Math.max(MIDDLE - side / 2, 0), SIDE - side);
    for (const face of page.querySelectorAll("[data-compare] svg.aligned")) {
      face.setAttribute("viewBox", `${(SIDE - side) / 2} ${top} ${side} ${side}`);
    }
  });
}

/**
 * A photo is compared without asking for the page again.
 * @param {HTMLElement} page
 */
function chooseOnThePage(page) {
  for (const link of page.querySelectorAll("[data-choose]")) {
    link.addEventListener("click", (event) => {
      const picture = page.querySelector(`[data-side=${link.dataset.choose}] svg.aligned image`);
      if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      picture.setAttribute("href", link.dataset.picture);
      for (const name of ["width", "height", "transform"]) picture.setAttribute(name, link.dataset[name]);
      for (const other of page.querySelectorAll(`[data-choose=${link.dataset.choose}]`)) {
        other.removeAttribute("aria-current");
      }
      link.setAttribute("aria-current", "true");
      page.querySelector("[data-compare]").scrollIntoView({ block: "nearest" });
      announce(`${link.querySelector("svg").getAttribute("aria-label")} is compared now.`);
    });
  }
}

/** @param {HTMLElement} page */
function keep(page) {
  /** @type {number} */
  let timer;
  const send = (/** @type {string} */ address) =>
    fetch(address, {
      method: "POST",
      keepalive: true,
      headers: { "X-CSRFToken": token(), Accept: "application/json" },
    });
  const hear = async () => {
    // A portal that can't be reached now is asked again.
    const answer = await send(page.dataset.reserve).catch(() => /** @type {Response} */ (null));
    if (answer?.status !== 409) return;
    clearInterval(timer);
    taken(page);
  };
  timer = setInterval(hear, HEARD_EVERY_MS);
  // At once where someone comes back to a page that had let go of its pair, or that slept.
  document.addEventListener("visibilitychange", () => document.hidden || hear());
  window.addEventListener("pagehide", () => send(page.dataset.release).catch(() => {}));
  hear();
}

/** @param {HTMLElement} page */
function taken(page) {
  page.querySelector("[data-taken]").hidden = false;
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = page.querySelectorAll("form button, [data-key=d]");
  for (const button of buttons) button.disabled = true;
}

function token() {
  return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}
