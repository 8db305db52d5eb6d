// Send what was dropped to a batch: the manifest, the list of all photos, the photos that the batch still
// wants, the archives. What arrived earlier is compared, not sent again.

import { AT_ONCE } from "./lanes.js";

/**
 * @import { Archive, Problem, Selection } from "./selection.js"
 * @import { Courier } from "./courier.js"
 *
 * @typedef {{path: string, size: number}} Sized
 * @typedef {Sized & {file: File, id?: number}} Photo the id is the portal's
 * @typedef {Photo & {sha256: string}} ArrivedPhoto
 * @typedef {Archive & {id: number, received: number}} SentArchive
 * @typedef {{files: Sized[], part: number}} Carried what a request carries, and what part of it, from 0 to 1, has gone
 */

const ANNOUNCED_AT_ONCE = 500;
const PARCEL_FILES = 20;
const PARCEL_BYTES = 4 * 1024 * 1024;
const PIECE_BYTES = 8 * 1024 * 1024;

const GONE = "The file can't be read any more: it was moved, changed or removed. Drop it again.";
const ANOTHER = "Another photo of this name has arrived in this batch. Drop this one in a batch of its own.";

/** How far the sending is. The progress on the page reads it; Sending writes it. */
export class Progress {
  /** "manifest", "another manifest", "announcing", "sending" or "comparing" */
  step = "manifest";
  dropped = 0;
  announced = 0;
  /** photos that come along: what was dropped, less what the portal does not take */
  photos = 0;
  /** photos that have arrived now or earlier, and how many of those earlier */
  arrived = 0;
  already = 0;
  archives = 0;
  toCompare = 0;
  compared = 0;
  bytes = 0;
  arrivedBytes = 0;
  alreadyBytes = 0;
  refusedBytes = 0;
  /** @type {Carried[]} of each of the requests that go side by side; null where none does */
  underWay = Array(AT_ONCE).fill(null);
  /** @type {Problem[]} */
  problems = [];

  /** The bytes that have gone, those on their way included. */
  get sentBytes() {
    return this.underWay.reduce(
      (sum, carried) => sum + (carried ? carried.part * sizeOf(carried.files) : 0),
      this.arrivedBytes,
    );
  }
}

export class Sending {
  /** @type {Photo[]} */
  #wanted = [];
  /** @type {ArrivedPhoto[]} */
  #arrivedEarlier = [];

  /**
   * @param {Selection} selection
   * @param {Courier} courier
   * @param {boolean} hasManifest
   * @param {(words: string) => Promise<File>} anotherManifest asked when the manifest can't be used
   */
  constructor(selection, courier, hasManifest, anotherManifest) {
    this.selection = selection;
    this.courier = courier;
    const [list] = selection.manifests;
    this.manifest = hasManifest ? null : list?.file;
    this.columns = selection.columns;
    this.folder = list ? list.path.slice(0, Math.max(0, list.path.lastIndexOf("/"))) : "";
    this.anotherManifest = anotherManifest;
    this.progress = new Progress();
    this.progress.dropped = this.progress.photos = selection.photos.size;
    for (const file of selection.photos.values()) this.progress.bytes += file.size;
    for (const { file } of selection.archives) this.progress.bytes += file.size;
    this.progress.problems.push(...selection.refused);
  }

  /** Send everything. Raises Stopped when the batch takes nothing more. */
  async run() {
    await this.#sendManifest();
    await this.#announcePhotos();
    const archives = await this.#announceArchives();
    const leftOut = new FormData();
    leftOut.append("left_out", String(this.selection.hiddenFiles));
    await this.courier.post("/announced", leftOut);
    this.progress.step = "sending";
    await this.#sendPhotos();
    for (const archive of archives) await this.#sendArchive(archive);
    this.progress.step = "comparing";
    this.progress.toCompare = this.#arrivedEarlier.length;
    for (const item of this.#arrivedEarlier) await this.#compare(item);
  }

  /**
   * A photo that does not come along counts no more.
   * @param {Photo} photo
   * @param {string} words
   */
  #refuse({ path, size }, words) {
    this.progress.problems.push({ path, words });
    this.progress.photos -= 1;
    this.progress.bytes -= size;
    this.progress.refusedBytes += size;
  }

  /**
   * @param {Archive} archive
   * @param {number} received
   * @param {string} words
   */
  #refuseArchive({ path, file }, received, words) {
    this.progress.problems.push({ path, words });
    this.progress.bytes -= file.size - received;
  }

  async #sendManifest() {
    while (this.manifest) {
      this.progress.step = "manifest";
      const words = await this.#sendOneManifest(this.manifest);
      if (words) this.progress.step = "another manifest";
      this.manifest = words ? await this.anotherManifest(words) : null;
      // What the columns are was said of the first one.
      this.columns = "";
    }
  }

  /**
   * Returns why it can't be used, or "".
   * @param {File} file
   */
  async #sendOneManifest(file) {
    const content = await contentOf(file);
    if (!content) return `${file.name}: ${GONE}`;
    const form = new FormData();
    form.append("columns", this.columns);
    form.append("folder", this.folder);
    form.append("manifest", content, file.name);
    return (await this.courier.post("/manifest", form)).words;
  }

  async #announcePhotos() {
    this.progress.step = "announcing";
    /** @type {Photo[]} */
    const all = [...this.selection.photos].map(([path, file]) => ({ path, file, size: file.size }));
    for (let from = 0; from < all.length; from += ANNOUNCED_AT_ONCE) {
      const some = all.slice(from, from + ANNOUNCED_AT_ONCE);
      const list = { files: some.map(({ path, size }) => ({ path, size })) };
      const answer = await this.courier.post("/files", JSON.stringify(list), { type: "application/json" });
      for (const [place, item] of some.entries()) {
        if (answer.ok) this.#sort(item, answer.json.files[place]);
        else this.#refuse(item, answer.words);
      }
      this.progress.announced += some.length;
    }
  }

  // Before the batch hears that it knows everything: it would be done without them.
  async #announceArchives() {
    /** @type {SentArchive[]} */
    const announced = [];
    for (const archive of this.selection.archives) {
      const { path, file } = archive;
      const form = new FormData();
      form.append("name", path);
      form.append("size", String(file.size));
      const answer = await this.courier.post("/archives", form);
      if (!answer.ok) {
        this.#refuseArchive(archive, 0, answer.words);
        continue;
      }
      const { id, received_bytes: received } = answer.json;
      this.progress.arrivedBytes += received;
      this.progress.alreadyBytes += received;
      announced.push({ ...archive, id, received });
    }
    return announced;
  }

  /**
   * @param {Photo} item
   * @param {{id: number, state: string, sha256: string, problem: string}} answer
   */
  #sort(item, { id, state, sha256, problem }) {
    item.id = id;
    if (state === "expected") this.#wanted.push(item);
    else if (problem) this.#refuse(item, problem);
    // Browsers can compare on secure pages only; the portal can anyway, and keeps one.
    else if (sha256 && !crypto.subtle) this.#wanted.push(item);
    else {
      if (sha256) this.#arrivedEarlier.push({ ...item, sha256 });
      this.progress.already += 1;
      this.progress.alreadyBytes += item.size;
      this.#arrive(item);
    }
  }

  /** @param {Sized} item */
  #arrive(item) {
    this.progress.arrived += 1;
    this.progress.arrivedBytes += item.size;
  }

  async #sendPhotos() {
    const parcels = this.#parcels();
    const carry = async (/** @type {unknown} */ _, /** @type {number} */ place) => {
      for (const parcel of parcels) await this.#sendParcel(parcel, place);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, carry));
  }

  // Small photos go together.
  *#parcels() {
    /** @type {Photo[]} */
    let parcel = [];
    let bytes = 0;
    for (const item of this.#wanted) {
      if (parcel.length === PARCEL_FILES || (parcel.length > 0 && bytes + item.size > PARCEL_BYTES)) {
        yield parcel;
        parcel = [];
        bytes = 0;
      }
      parcel.push(item);
      bytes += item.size;
    }
    if (parcel.length > 0) yield parcel;
  }

  /**
   * @param {Photo[]} parcel
   * @param {number} place
   */
  async #sendParcel(parcel, place) {
    const form = new FormData();
    /** @type {Photo[]} */
    const files = [];
    for (const item of parcel) {
      const content = await contentOf(item.file);
      if (!content) {
        this.#refuse(item, GONE);
        continue;
      }
      form.append(String(item.id), content, item.file.name);
      files.push(item);
    }
    if (files.length === 0) return;
    const answer = await this.#carry("/photos", form, files, place);
    /** @type {{id: number, problem: string}[]} */
    const photos = answer.json?.photos ?? [];
    const problems = new Map(photos.map(({ id, problem }) => [id, problem]));
    for (const item of files) {
      const problem = answer.ok ? problems.get(item.id) : answer.words;
      if (problem) this.#refuse(item, problem);
      else this.#arrive(item);
    }
  }

  /** @param {SentArchive} archive */
  async #sendArchive(archive) {
    const { path, file, id } = archive;
    let { received } = archive;
    while (received < file.size) {
      const piece = await contentOf(file.slice(received, received + PIECE_BYTES));
      if (!piece) {
        this.#refuseArchive(archive, received, GONE);
        return;
      }
      const carried = [{ path, size: piece.size }];
      const address = `/archives/${id}?offset=${received}`;
      const answer = await this.#carry(address, piece, carried, 0, "application/octet-stream");
      // Refused with a number: the portal has more or less than this page believes.
      const now = answer.json.received_bytes;
      if (now === undefined) {
        this.#refuseArchive(archive, received, answer.words);
        return;
      }
      this.progress.arrivedBytes += now - received;
      received = now;
    }
    this.progress.archives += 1;
  }

  /**
   * Send files, and say so meanwhile.
   * @param {string} path
   * @param {XMLHttpRequestBodyInit} body
   * @param {Sized[]} files
   * @param {number} place
   */
  async #carry(path, body, files, place, type = "") {
    /** @type {Carried} */
    const carried = { files, part: 0 };
    this.progress.underWay[place] = carried;
    try {
      return await this.courier.post(path, body, { type, progress: (part) => (carried.part = part) });
    } finally {
      this.progress.underWay[place] = null;
    }
  }

  /** @param {ArrivedPhoto} item */
  async #compare(item) {
    const content = await contentOf(item.file);
    this.progress.compared += 1;
    if (content && (await sha256Of(content)) === item.sha256) return;
    this.progress.arrived -= 1;
    this.progress.already -= 1;
    this.progress.arrivedBytes -= item.size;
    this.#refuse(item, content ? ANOTHER : GONE);
  }
}

/** @param {Sized[]} files */
function sizeOf(files) {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/**
 * Read before it is sent: a request can't tell a file that is gone from a network that is.
 * @param {Blob} file
 */
async function contentOf(file) {
  try {
    return new Blob([await file.arrayBuffer()]);
  } catch {
    return null;
  }
}

/** @param {Blob} content */
async function sha256Of(content) {
  const digest = await crypto.subtle.digest("SHA-256", await content.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
