// A page that is sending files is not left: whoever leaves it leaves them behind.
import { announce } from "../page.js";

let isSending = false;

/** Say whether the page is sending. */
export function stay(on) {
  isSending = on;
}

window.addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});

// Parts of the page that ask for themselves again leave it when the session has ended (live.js). What is
// being sent waits for somebody to sign in again.
document.addEventListener(
  "htmx:beforeSwap",
  (event) => {
    const { xhr, requestConfig } = event.detail;
    const asked = new URL(requestConfig.path, location.href).pathname;
    if (!isSending || !xhr.responseURL || new URL(xhr.responseURL).pathname === asked) return;
    event.detail.shouldSwap = false;
    event.stopPropagation();
  },
  { capture: true },
);

// The batch's own buttons (pause, cancel and others) are forms: they are sent from here, and the batch's
// progress is shown as the answer has it.
document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!isSending || form.method !== "post" || !form.action.startsWith(location.origin + location.pathname)) return;
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    form.closest("dialog")?.close();
    try {
      const answer = await fetch(form.action, { method: "POST", body: data, headers: { Accept: "text/html" } });
      showProgress(await answer.text());
    } catch {
      announce("The portal can't be reached at the moment. Try again as soon as it is back.");
    }
  },
  { capture: true },
);

function showProgress(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.getElementById("progress")) return;
  window.htmx.swap("#progress", html, { swapStyle: "outerHTML" }, { select: "#progress" });
  const said = page.querySelector(".flashes").textContent.trim();
  if (said) announce(said);
}
