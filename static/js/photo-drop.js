// ui.photo_drop: drop, choose, paste or take photos; see and remove them before they are sent.
// The real <input type=file> always holds the photos that will be sent, so the form works as it is.
import { cameraDialog, camerasWork } from "./camera.js";
import { fresh } from "./page.js";
import { problemOf, sizeInWords } from "./photo-files.js";

/**
 * @typedef {object} Chosen a row of the list; only those without a problem are sent
 * @property {File} file
 * @property {string} problem
 * @property {boolean} [tooMany]
 * @property {HTMLElement} [row]
 */

/**
 * Put files into a drop zone, as if they had been chosen there.
 * @param {Element} drop
 * @param {Iterable<File>} files
 */
export function addPhotos(drop, files) {
  drop.dispatchEvent(new CustomEvent("photos:add", { detail: [...files] }));
}

/** @param {HTMLElement} root */
export function photoDrops(root) {
  for (const drop of fresh(root, "[data-photo-drop]", "Drop")) new PhotoDrop(drop);
}

// A photo that is pasted anywhere on the page goes to the first zone.
function zoneOnPage() {
  return document.querySelector("[data-photo-drop]");
}

document.addEventListener("paste", (event) => {
  const files = event.clipboardData?.files;
  const zone = zoneOnPage();
  if (!zone || !files?.length) return;
  event.preventDefault();
  addPhotos(zone, files);
});

// A file dropped beside the zone must not replace the page, and all that was typed into it.
for (const name of /** @type {const} */ (["dragover", "drop"])) {
  document.addEventListener(name, (event) => {
    if (zoneOnPage() && event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
}

class PhotoDrop {
  /** @param {HTMLElement} drop */
  constructor(drop) {
    const part = (/** @type {string} */ name) => drop.querySelector(`[data-photo-${name}]`);
    /** @type {HTMLInputElement} */
    this.input = drop.querySelector("input[type=file]");
    this.list = part("list");
    this.status = part("status");
    this.zone = part("zone");
    this.limit = Number(drop.dataset.limit);
    /** @type {Chosen[]} */
    this.photos = [];

    this.input.hidden = true;
    part("how").hidden = false;
    const choose = part("choose");
    choose.hidden = false;
    choose.setAttribute("aria-describedby", this.input.getAttribute("aria-describedby"));
    choose.addEventListener("click", () => this.input.click());
    this.chooseButton = choose;
    this.input.addEventListener("change", () => this.add([...this.input.files]));
    drop.addEventListener("photos:add", (event) => this.add(event.detail));
    this.offerPaste(part("paste"));
    this.offerCamera(part("camera"), drop.querySelector("dialog[data-camera]"));
    this.acceptDrops();
    // The browser may keep chosen files over a reload.
    if (this.input.files.length > 0) this.add([...this.input.files]);
  }

  /** @param {HTMLElement} button */
  offerPaste(button) {
    if (!navigator.clipboard?.read) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        const files = [];
        for (const item of await navigator.clipboard.read()) {
          const type = item.types.find((name) => name.startsWith("image/"));
          if (type) files.push(new File([await item.getType(type)], `pasted.${type.slice(6)}`, { type }));
        }
        if (files.length > 0) await this.add(files);
        else this.say("There is no photo on the clipboard. Copy a photo first.", true);
      } catch {
        this.say("The browser did not allow pasting by this button. Press Ctrl+V, or Cmd+V on a Mac.", true);
      }
    });
  }

  /**
   * @param {HTMLElement} button
   * @param {HTMLDialogElement} dialog
   */
  offerCamera(button, dialog) {
    if (!button || !camerasWork()) return;
    button.hidden = false;
    button.addEventListener(
      "click",
      cameraDialog(dialog, (photo) => this.add([photo])),
    );
  }

  acceptDrops() {
    const over = (/** @type {boolean} */ on) => this.zone.classList.toggle("photo-drop__zone--over", on);
    this.zone.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      over(true);
    });
    this.zone.addEventListener("dragleave", (event) => {
      if (!this.zone.contains(/** @type {Node} */ (event.relatedTarget))) over(false);
    });
    this.zone.addEventListener("drop", (event) => {
      event.preventDefault();
      over(false);
      this.add([...event.dataTransfer.files]);
    });
  }

  /** @param {File[]} files */
  async add(files) {
    /** @type {Chosen[]} */
    const added = await Promise.all(files.map(async (file) => ({ file, problem: await problemOf(file) })));
    if (this.limit === 1 && added.length > 0) {
      this.clear();
      added.splice(1);
    }
    let repeated = 0;
    for (const photo of added) {
      if (this.photos.some((other) => isSame(other.file, photo.file))) {
        repeated += 1;
        continue;
      }
      if (!photo.problem && this.sendable().length >= this.limit) {
        photo.tooMany = true;
        photo.problem = `Only ${this.limit} photos can be sent at once. Add this one afterwards.`;
      }
      photo.row = this.rowOf(photo);
      this.photos.push(photo);
      this.list.append(photo.row);
    }
    this.keepInput();
    const wrong = added.filter((photo) => photo.row && photo.problem);
    const words = [this.countInWords()];
    for (const photo of wrong) words.push(`${photo.file.name}: ${photo.problem}`);
    if (repeated > 0)
      words.push(repeated === 1 ? "One photo was there already." : `${repeated} photos were there already.`);
    this.say(words.join(" "));
  }

  /** @param {Chosen} photo */
  rowOf(photo) {
    const { file, problem } = photo;
    const row = element("li", `chosen-photo${problem ? " chosen-photo--problem" : ""}`);
    const preview = element("span", "chosen-photo__preview");
    preview.append(problem ? "No preview" : previewOf(file));
    const words = element("div", "chosen-photo__words");
    words.append(
      element("p", "chosen-photo__name", file.name),
      element("p", "chosen-photo__size", sizeInWords(file.size)),
    );
    if (problem) words.append(element("p", "chosen-photo__problem", `${problem} It will not be sent.`));
    const remove = element("button", "button button--quiet button--small", "Remove");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.addEventListener("click", () => this.remove(photo));
    row.append(preview, words, remove);
    return row;
  }

  /** @param {Chosen} photo */
  remove(photo) {
    const place = this.photos.indexOf(photo);
    this.photos.splice(place, 1);
    discard(photo.row);
    this.letOneMoreIn();
    this.keepInput();
    this.say(`${photo.file.name} was removed. ${this.countInWords()}`);
    const next = this.photos[place] ?? this.photos[place - 1];
    (next?.row.querySelector("button") ?? this.chooseButton).focus();
  }

  // A photo that was one too many may take the place of one that was removed.
  letOneMoreIn() {
    const waiting = this.photos.find((photo) => photo.tooMany);
    if (!waiting || this.sendable().length >= this.limit) return;
    waiting.tooMany = false;
    waiting.problem = "";
    const row = this.rowOf(waiting);
    waiting.row.replaceWith(row);
    waiting.row = row;
  }

  clear() {
    for (const photo of this.photos) discard(photo.row);
    this.photos = [];
  }

  sendable() {
    return this.photos.filter((photo) => !photo.problem);
  }

  keepInput() {
    const files = new DataTransfer();
    for (const photo of this.sendable()) files.items.add(photo.file);
    this.input.files = files.files;
    this.list.hidden = this.photos.length === 0;
  }

  countInWords() {
    const count = this.sendable().length;
    if (count === 0) return "No photo is ready to send.";
    return count === 1 ? "One photo is ready to send." : `${count} photos are ready to send.`;
  }

  /**
   * Tell screen readers; with `visibly`, everybody.
   * @param {string} words
   */
  say(words, visibly = false) {
    this.status.classList.toggle("visually-hidden", !visibly);
    this.status.textContent = words;
  }
}

/**
 * @param {File} one
 * @param {File} other
 */
function isSame(one, other) {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} className
 */
function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** @param {File} file */
function previewOf(file) {
  const image = document.createElement("img");
  image.alt = "";
  image.src = URL.createObjectURL(file);
  // Few browsers can show HEIC, TIFF or JPEG 2000; the server can.
  image.addEventListener("error", () => image.replaceWith("No preview"));
  return image;
}

/** @param {HTMLElement} row */
function discard(row) {
  const image = row.querySelector("img");
  if (image) URL.revokeObjectURL(image.src);
  row.remove();
}
