// What is on the page, when it changes.

/** @typedef {(root: HTMLElement) => void} Part */

/** @type {Part[]} */
const parts = [];
let shown = location.pathname + location.search;

/**
 * Call each part with every piece of the page that is or becomes new.
 * @param {...Part} added
 */
export function onPage(...added) {
  parts.push(...added);
  enhance(document.body);
  document.addEventListener("htmx:load", (event) => {
    if (event.target !== document.body) enhance(/** @type {HTMLElement} */ (event.target));
  });
}

/** @type {Part} */
function enhance(root) {
  for (const part of parts) part(root);
}

/**
 * The elements in root, root included, that match and were not handed out under this name before.
 * @template {HTMLElement} E
 * @param {HTMLElement} root
 * @param {string} selector
 * @param {string} name
 * @returns {E[]}
 */
export function fresh(root, selector, name) {
  /** @type {E[]} */
  const found = Array.from(root.querySelectorAll(selector));
  if (root.matches(selector)) found.unshift(/** @type {E} */ (root));
  return found.filter((element) => {
    const mark = `ready${name}`;
    if (element.dataset[mark]) return false;
    element.dataset[mark] = "yes";
    return true;
  });
}

/**
 * Say something to screen readers, once.
 * @param {string} words
 */
export function announce(words) {
  const announcer = document.getElementById("announcer");
  if (announcer && announcer.textContent !== words) announcer.textContent = words;
}

/**
 * Show a page that a script was answered with, as if the browser had gone there itself. (Going there
 * would ask for it a second time and lose its messages.)
 * Returns false, and changes nothing, when the text is not one of the portal's pages.
 * @param {string} html
 * @param {string} url
 */
export function showPage(html, url) {
  const next = new DOMParser().parseFromString(html, "text/html");
  if (!next.getElementById("main")) return false;
  if (url !== location.href) history.pushState(null, "", url);
  shown = location.pathname + location.search;
  document.title = next.title;
  document.body.className = next.body.className;
  document.body.setAttribute("hx-headers", next.body.getAttribute("hx-headers") ?? "{}");
  document.body.replaceChildren(...next.body.childNodes);
  window.htmx?.process(document.body);
  enhance(document.body);
  scrollTo(0, 0);
  const main = document.getElementById("main");
  const wrong = main.querySelector("[aria-invalid=true]:not([hidden])");
  (wrong ?? main).focus();
  return true;
}

window.addEventListener("popstate", () => {
  // Back from, or forward to, a page that showPage put here: ask for it. A jump inside a page is none.
  if (location.pathname + location.search !== shown) location.reload();
});
