// The files of a drop or a chooser with their paths, folders opened: [{path, file}], by path.

/** @import { Named, Problem } from "./selection.js" */

/**
 * The files that were dropped. Tells `found` now and then how many there are so far.
 * Returns {files, unread}; unread are those that could not be opened.
 * @param {DataTransfer} transfer
 * @param {(number: number) => void} found
 * @param {AbortSignal} signal
 */
export async function filesOfDrop(transfer, found, signal) {
  /** @type {Named[]} */
  const files = [];
  /** @type {Problem[]} */
  const unread = [];
  // The items are gone after the first wait: all are taken now. A script's own drop has files, no entries.
  const waiting = [...transfer.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile())
    .filter(Boolean);

  /** @param {File | FileSystemEntry} entry */
  async function take(entry) {
    if (entry instanceof File) {
      files.push({ path: entry.name, file: entry });
      return;
    }
    const path = entry.fullPath.slice(1);
    try {
      if (entry.isFile) files.push({ path, file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)) });
      else for await (const inside of entriesIn(/** @type {FileSystemDirectoryEntry} */ (entry))) waiting.push(inside);
    } catch {
      const what = entry.isFile ? "This file" : "This folder";
      unread.push({ path, words: `${what} can't be read. See that you may open it, and drop it again.` });
    }
  }

  while (waiting.length > 0 && !signal.aborted) {
    await Promise.all(waiting.splice(-100).map(take));
    found(files.length);
  }
  return { files: files.sort(byPath), unread };
}

/**
 * The files that were chosen by an <input type=file>.
 * @param {HTMLInputElement} input
 */
export function filesOfInput(input) {
  return [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })).sort(byPath);
}

/**
 * @param {Named} one
 * @param {Named} other
 */
function byPath(one, other) {
  return one.path < other.path ? -1 : 1;
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/**
 * A folder hands out its entries in portions; an empty one is the end.
 * @param {FileSystemDirectoryEntry} folder
 */
async function* entriesIn(folder) {
  const reader = folder.createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return;
    yield* portion;
  }
}
