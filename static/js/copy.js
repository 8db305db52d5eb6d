// ui.copy_box: copy the text, and say so.
import { announce, fresh } from "./page.js";

/** @param {HTMLElement} root */
export function copyButtons(root) {
  for (const box of fresh(root, "[data-copy]", "Copy")) {
    // Browsers offer the clipboard to secure pages only; the text can be selected anyway.
    if (!navigator.clipboard) continue;
    const button = box.querySelector("[data-copy-button]");
    const words = box.querySelector("[data-copy-words]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(box.querySelector("[data-copy-text]").textContent.trim());
        words.textContent = "Copied";
        announce("Copied");
      } catch {
        words.textContent = "Select it and copy by hand";
        announce("The browser did not allow copying. Select the text and copy it by hand.");
      }
    });
  }
}
