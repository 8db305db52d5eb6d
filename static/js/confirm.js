// ui.confirm_button: the disclosure becomes a button that opens a dialog. The dialog lives at the end of
// the page, so that a polled part which is replaced meanwhile does not take it away.
import { fresh } from "./page.js";

/** @param {HTMLElement} root */
export function confirmInDialogs(root) {
  for (const details of fresh(root, "details[data-confirm]", "Confirm")) {
    const summary = details.querySelector("summary");
    const panel = details.querySelector(".confirm__panel");
    const button = document.createElement("button");
    button.type = "button";
    button.className = summary.className;
    button.setAttribute("aria-haspopup", "dialog");
    button.append(...summary.childNodes);
    button.addEventListener("click", () => ask(panel, button));
    details.replaceWith(button);
  }
}

/**
 * @param {HTMLElement} panel
 * @param {HTMLButtonElement} button
 */
function ask(panel, button) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  const asked = /** @type {HTMLElement} */ (panel.cloneNode(true));
  const question = asked.querySelector(".confirm__question");
  question.id = "confirm-question";
  dialog.setAttribute("aria-labelledby", question.id);
  const cancel = asked.querySelector("[data-confirm-cancel]");
  cancel.hidden = false;
  cancel.autofocus = true;
  cancel.addEventListener("click", () => dialog.close());
  dialog.append(asked);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (button.isConnected) button.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
