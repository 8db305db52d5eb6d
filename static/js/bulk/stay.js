// A page that is sending files is not left: whoever leaves it leaves them behind.
import { token } from "./courier.js";

let isSending = false;

/**
 * Say whether the page is sending.
 * @param {boolean} on
 */
export function stay(on) {
  isSending = on;
}

window.addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});

// Parts of the page that ask for themselves again leave it when the session has ended. What is being sent
// waits for someone to sign in again.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, requestConfig } = event.detail;
  const asked = new URL(requestConfig.path, location.href).pathname;
  const isOfStranger = xhr.status === 401 || new URL(xhr.responseURL, location.href).pathname !== asked;
  if (isSending && isOfStranger) event.preventDefault();
});

// The batch's own buttons (pause, cancel and others) are forms: they are sent from here, and what the page
// that answers says of the batch is shown on this one.
document.addEventListener(
  "submit",
  async (event) => {
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (!isSending || form.method !== "post" || !form.action.startsWith(location.origin + location.pathname)) return;
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    data.set("csrf_token", token());
    form.closest("dialog")?.close();
    const html = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "text/html" } })
      .then((answer) => answer.text())
      .catch(() => "");
    showProgress(html);
  },
  { capture: true },
);

/** @param {string} html */
function showProgress(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const flashes = document.querySelector(".flashes");
  if (page.getElementById("progress")) {
    flashes.replaceChildren(...page.querySelector(".flashes").childNodes);
    window.htmx.swap(
      "#progress",
      html,
      { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 },
      { select: "#progress" },
    );
    return;
  }
  const words = document.createElement("p");
  words.className = "notice notice--warning";
  words.textContent = "The portal did not take this. Nothing was changed: try again in a moment.";
  flashes.replaceChildren(words);
}
