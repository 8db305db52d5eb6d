// The place for many files: drop them, or choose files, a folder or a manifest by a button.
import { announce } from "../page.js";
import { filesOfDrop, filesOfInput } from "./dropped-files.js";
import { grouped } from "./words.js";

/** @import { Named, Problem } from "./selection.js" */

// A file dropped beside the zone must not replace the page.
for (const name of /** @type {const} */ (["dragover", "drop"])) {
  document.addEventListener(name, (event) => {
    const here = document.querySelector("[data-bulk-drop], [data-upload-batch]");
    if (here && event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}

export class DropZone {
  #reading = new AbortController();

  /**
   * @param {HTMLElement} drop
   * @param {(files: Named[], unread: Problem[]) => void} add called with what is chosen, and with what could not be read
   */
  constructor(drop, add) {
    const part = (/** @type {string} */ name) => drop.querySelector(`[data-bulk-${name}]`);
    this.add = add;
    this.zone = part("zone");
    this.status = part("status");
    this.firstButton = part("choose-files");
    for (const name of ["files", "folder", "manifest"]) {
      this.#offer(part(`choose-${name}`), drop.querySelector(`input[data-bulk-input=${name}]`));
    }
    part("how").hidden = false;
    for (const inputs of drop.querySelectorAll("[data-bulk-plain]")) inputs.hidden = true;
    this.#acceptDrops();
  }

  focus() {
    this.firstButton.focus();
  }

  /** Give up reading what was dropped. */
  stopReading() {
    this.#reading.abort();
    this.#reading = new AbortController();
    this.#say("");
  }

  /**
   * @param {HTMLElement} button
   * @param {HTMLInputElement} input
   */
  #offer(button, input) {
    // Few telephones can choose a folder.
    if (input.hasAttribute("webkitdirectory") && !("webkitdirectory" in input)) return;
    button.hidden = false;
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const files = filesOfInput(input);
      // Emptied, so that the same files can be chosen again and the form itself carries none.
      input.value = "";
      if (files.length > 0) this.add(files, []);
    });
    if (input.files.length > 0) input.dispatchEvent(new Event("change"));
  }

  #acceptDrops() {
    const over = (/** @type {boolean} */ on) => this.zone.classList.toggle("photo-drop__zone--over", on);
    this.zone.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.dataTransfer.dropEffect = "copy";
      over(true);
    });
    this.zone.addEventListener("dragleave", (event) => {
      if (!this.zone.contains(/** @type {Node} */ (event.relatedTarget))) over(false);
    });
    this.zone.addEventListener("drop", (event) => {
      over(false);
      this.#read(event.dataTransfer);
    });
  }

  /** @param {DataTransfer} transfer */
  async #read(transfer) {
    const { signal } = this.#reading;
    announce("Reading the names of the files.");
    const found = (/** @type {number} */ number) => {
      if (!signal.aborted) this.#say(`Reading the folders… ${grouped(number)} files so far`);
    };
    const { files, unread } = await filesOfDrop(transfer, found, signal);
    if (signal.aborted) return;
    this.#say(files.length + unread.length === 0 ? "There was no file in what was dropped." : "");
    if (files.length + unread.length > 0) this.add(files, unread);
    else announce(this.status.textContent);
  }

  /** @param {string} words */
  #say(words) {
    this.status.textContent = words;
    this.status.hidden = words === "";
  }
}
