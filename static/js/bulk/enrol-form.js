// form[data-bulk-form]: take what is dropped, show how the portal reads it, and start a batch with it.
import { announce, fresh, showPage } from "../page.js";
import { sendSelection } from "./batch.js";
import { Courier, Stopped } from "./courier.js";
import { DropZone } from "./drop-zone.js";
import { isHidden, isTextList, Selection } from "./selection.js";
import { count, grouped, size } from "./words.js";
import { namesInZip } from "./zip-names.js";

/** @import { Archive, Named, Problem } from "./selection.js" */

const MOST_PATHS = 1000;
const MANIFEST_START_BYTES = 64 * 1024;
// How the names are read and the people taken, before anybody said otherwise.
/** @type {Record<string, string>} */
const CHOICES = { grouping: "auto", label: "auto", known: "add" };
const MOST_REFUSED = 100;

/** @param {HTMLElement} root */
export function enrolForms(root) {
  /** @type {HTMLFormElement[]} */
  const forms = fresh(root, "form[data-bulk-form]", "Bulk");
  for (const form of forms) new EnrolForm(form);
}

class EnrolForm {
  #selection = new Selection();
  #asked = 0;
  /** @type {Record<string, string>} */
  #chosen = {};
  /** @type {{url: string}} the batch, if it was begun and its page could not be shown */
  #started = null;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.part = (/** @type {string} */ name) => form.querySelector(`[data-bulk-${name}]`);
    this.reading = form.querySelector("#reading");
    this.button = /** @type {HTMLButtonElement} */ (this.part("enrol"));
    this.courier = new Courier(form.action);
    this.zone = new DropZone(this.part("drop"), (files, unread) => this.#add(files, unread));
    this.button.disabled = true;
    // The portal's reading of the names brings its own.
    this.part("plain-choices").remove();
    this.reading.addEventListener("change", (event) =>
      this.#choose(/** @type {HTMLInputElement} */ (event.target).name),
    );
    this.part("clear").addEventListener("click", () => this.#clear());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.button.disabled) this.#start();
    });
  }

  /**
   * @param {Named[]} files
   * @param {Problem[]} unread
   */
  async #add(files, unread) {
    const lists = this.#selection.manifests.length;
    const repeated = this.#selection.add(files);
    // What was chosen for another list says nothing of this one.
    if (this.#selection.manifests.length !== lists) delete this.#chosen.columns;
    this.#selection.refused.push(...unread);
    this.#show(repeated);
    const selection = this.#selection;
    for (const archive of selection.archives) {
      // Whatever is wrong with its names, the portal says it when it has the whole ZIP.
      archive.names ??= await namesInZip(archive.file).catch(() => /** @type {string[]} */ (null));
    }
    if (selection !== this.#selection) return;
    this.#show(repeated);
    await this.#ask();
  }

  #clear() {
    this.zone.stopReading();
    this.#selection = new Selection();
    this.#chosen = {};
    this.#asked += 1;
    this.reading.replaceChildren();
    this.#say("");
    this.#show(0);
    announce("Nothing is chosen any more.");
    this.zone.focus();
  }

  /**
   * @param {Named[]} list
   * @param {Named} item
   */
  #remove(list, item) {
    list.splice(list.indexOf(item), 1);
    delete this.#chosen.columns;
    this.#show(0);
    this.zone.focus();
    this.#ask();
  }

  /**
   * What was chosen, above how it is read.
   * @param {number} repeated
   */
  #show(repeated) {
    const selection = this.#selection;
    const paths = selection.paths;
    this.part("chosen").hidden = selection.isEmpty;
    this.part("summary").textContent = `${whatInWords(selection, paths.length)}, ${size(selection.bytes)}`;
    /** @type {string[]} */
    const notes = [];
    if (selection.hidden > 0) {
      notes.push(`${count(selection.hidden, "hidden system file")} ${selection.hidden === 1 ? "is" : "are"} left out.`);
    }
    if (repeated > 0) notes.push(`${count(repeated, "file")} ${repeated === 1 ? "was" : "were"} there already.`);
    this.part("notes").textContent = notes.join(" ");
    this.part("several-manifests").hidden = selection.manifests.length < 2;
    this.part("special").replaceChildren(
      ...selection.manifests.map((item) =>
        this.#rowOf(selection.manifests, item, "The list: it says who is on which photo."),
      ),
      ...selection.archives.map((item) => this.#rowOf(selection.archives, item, insideInWords(item))),
    );
    this.part("refused").replaceChildren(...selection.refused.slice(0, MOST_REFUSED).map(refusedRow));
    this.part("refused-title").hidden = selection.refused.length === 0;
    this.part("refused-title").textContent = `${count(selection.refused.length, "file")} can't come along:`;
    this.part("button-words").textContent = buttonInWords(selection, paths.length);
    this.button.disabled = true;
  }

  /**
   * @param {Named[]} list
   * @param {Named} item
   * @param {string} words
   */
  #rowOf(list, item, words) {
    const row = element("li", "bulk-special__row");
    const text = element("div", "row__words");
    text.append(element("p", "bulk-special__name", item.path), element("p", "small soft", words));
    const remove = element("button", "button button--quiet button--small", "Remove");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${item.path}`);
    remove.addEventListener("click", () => this.#remove(list, item));
    row.append(text, remove);
    return row;
  }

  // Ask the portal how it reads the names, and show its answer.
  async #ask() {
    this.#asked += 1;
    const asked = this.#asked;
    this.#started = null;
    const selection = this.#selection;
    this.button.disabled = true;
    if (!selection.hasPhotos || selection.manifests.length > 1) {
      this.reading.replaceChildren();
      const alone = !selection.hasPhotos && selection.manifests.length === 1;
      this.#say(alone ? "Drop the photos that the list names, too." : "");
      return;
    }
    this.reading.setAttribute("aria-busy", "true");
    const watch = this.#watchTrouble();
    try {
      const answer = await this.courier.post("/reading", this.#question(selection), { html: true });
      if (asked !== this.#asked) return;
      this.#say(answer.words);
      if (answer.ok) this.#showReading(answer.text);
      else this.reading.replaceChildren();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      this.#say(error.message);
    } finally {
      clearInterval(watch);
      this.reading.removeAttribute("aria-busy");
    }
  }

  #watchTrouble() {
    return setInterval(() => this.#say(this.courier.trouble), 500);
  }

  /** @param {Selection} selection */
  #question(selection) {
    const paths = selection.paths;
    const data = new FormData();
    for (const name of Object.keys(CHOICES)) data.append(name, this.#chosen[name] ?? CHOICES[name]);
    data.append("paths", JSON.stringify(spread(paths, MOST_PATHS)));
    data.append("total", String(paths.length));
    data.append("bytes", String(selection.bytes));
    const [manifest] = selection.manifests;
    if (manifest) {
      const { file } = manifest;
      data.append("columns", this.#chosen.columns ?? "");
      data.append("manifest", isTextList(file) ? file.slice(0, MANIFEST_START_BYTES) : file, file.name);
    }
    return data;
  }

  /**
   * What staff chose holds for what they drop next; what the portal found out, it finds out again.
   * @param {string} name
   */
  #choose(name) {
    if (name === "columns") {
      this.#chosen.columns = this.#shownColumns();
      this.#ask();
      return;
    }
    const names = name === "known" ? ["known"] : ["grouping", "label"];
    for (const each of names) this.#chosen[each] = this.#shown(each);
    this.#ask();
  }

  /** @param {string} name */
  #shown(name) {
    /** @type {HTMLInputElement} */
    const input = this.reading.querySelector(`input[name=${name}]:checked`);
    return input?.value ?? CHOICES[name];
  }

  #shownColumns() {
    /** @type {NodeListOf<HTMLSelectElement>} */
    const selects = this.reading.querySelectorAll("select[name=columns]");
    return [...selects].map(({ value }) => value).join(",");
  }

  /** @param {string} html */
  #showReading(html) {
    const active = /** @type {HTMLInputElement} */ (document.activeElement);
    const focused = this.reading.contains(active) ? active : null;
    const { body } = new DOMParser().parseFromString(html, "text/html");
    this.reading.replaceChildren(...body.childNodes);
    if (focused?.id) this.reading.querySelector(`#${focused.id}`)?.focus();
    this.#selection.columns = this.#shownColumns();
    // What has to be asked is answered first.
    this.button.disabled = this.reading.querySelector("[data-undecided]") !== null;
    const said = this.reading.querySelector("[data-announce]")?.dataset.announce ?? "";
    announce(`${this.part("summary").textContent}. ${said}`);
  }

  async #start() {
    this.button.disabled = true;
    const watch = this.#watchTrouble();
    try {
      this.#started ??= await this.#newBatch();
      const page = await fetch(this.#started.url, { headers: { Accept: "text/html" } });
      const html = await page.text();
      if (!page.ok || page.redirected || !showPage(html, page.url)) throw new TypeError(`answered ${page.status}`);
    } catch (error) {
      this.#say(
        error instanceof Stopped
          ? error.message
          : "The portal can't be reached at the moment. Your files are still here: try again in a moment.",
      );
      this.button.disabled = false;
      this.button.focus();
      return;
    } finally {
      clearInterval(watch);
    }
    await sendSelection(document.querySelector("[data-upload-batch]"), this.#selection);
  }

  // Sent once only: a second one would be another batch.
  async #newBatch() {
    const data = new FormData();
    const files = this.#selection.paths.length;
    for (const [name, usual] of Object.entries(CHOICES)) {
      // Without a name nothing was found out.
      data.append(name, files > 0 ? this.#shown(name) : (this.#chosen[name] ?? usual));
    }
    data.append("files", String(files));
    const answer = await this.courier.post("/start", data, { repeatable: false });
    if (!answer.ok) throw new Stopped(answer.words);
    return answer.json;
  }

  /** @param {string} words */
  #say(words) {
    const problem = this.part("problem");
    this.part("problem-words").textContent = words;
    if (problem.hidden && words) announce(words);
    problem.hidden = words === "";
  }
}

/** @param {Archive} archive */
function insideInWords({ names }) {
  if (!names) return "The names of the files in it are read after the upload.";
  return `${count(names.filter((name) => !isHidden(name)).length, "file")} in it.`;
}

/** @param {Selection} selection */
function unreadArchives({ archives }) {
  return archives.filter(({ names }) => !names).length;
}

/**
 * @param {Selection} selection
 * @param {number} files
 */
function whatInWords(selection, files) {
  const unread = unreadArchives(selection);
  if (unread === 0) return count(files, "file");
  return files === 0 ? count(unread, "ZIP") : `${count(files, "file")} and ${count(unread, "ZIP")}`;
}

/**
 * @param {Selection} selection
 * @param {number} photos
 */
function buttonInWords(selection, photos) {
  const unread = unreadArchives(selection);
  if (unread === 0) return `Enrol ${count(photos, "photo")}`;
  const inside = unread === 1 ? "what is in the ZIP" : `what is in ${grouped(unread)} ZIPs`;
  return photos === 0 ? `Enrol ${inside}` : `Enrol ${count(photos, "photo")} and ${inside}`;
}

/**
 * At most so many of a list, from all over it.
 * @template T
 * @param {T[]} list
 * @param {number} most
 */
function spread(list, most) {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, place) => list[Math.floor((place * list.length) / most)]);
}

/** @param {Problem} problem */
function refusedRow({ path, words }) {
  const row = document.createElement("li");
  row.append(element("strong", "", path), ` ${words}`);
  return row;
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
