// What was dropped or chosen to be enrolled: photos, archives and the manifest, told apart by their names.

// macOS keeps the picture of a folder in a file whose name ends with a carriage return.
const SYSTEM_FILES = new Set([
  ...["thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini"],
  "icon\r",
]);
// Of macOS, Synology, QNAP, Windows: previews and what was deleted. portal/batches/naming.py has the same.
const SYSTEM_FOLDERS = new Set([
  ...["__macosx", "@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@recycle", "@recently-snapshot"],
  ...["@__thumb", "$recycle.bin", "recycler", "system volume information", "lost+found"],
]);
// Lists that are text, and those that are not; the last two can't be read, which is said.
const TEXT_LISTS = [".csv", ".tsv", ".txt"];
const LISTS = [...TEXT_LISTS, ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers", ".gsheet"];

/**
 * @typedef {{path: string, file: File}} Named
 * @typedef {Named & {names: string[]}} Archive names of the files in a ZIP, null as long as nobody has read them
 * @typedef {{path: string, words: string}} Problem what can't come along, and why
 */

/**
 * Whether a file is the operating system's, or hidden: nobody dropped it on purpose.
 * @param {string} path
 */
export function isHidden(path) {
  const parts = path.toLowerCase().split(/[\\/]/);
  const name = parts.at(-1);
  const isDotted = parts.some((part) => part.startsWith(".") && part !== "." && part !== "..");
  return isDotted || parts.slice(0, -1).some((part) => SYSTEM_FOLDERS.has(part)) || SYSTEM_FILES.has(name);
}

export class Selection {
  /** @type {Map<string, File>} by path */
  photos = new Map();
  /** @type {Archive[]} */
  archives = [];
  /** @type {Named[]} */
  manifests = [];
  /** What the columns of the manifest are, from left to right, as it was shown. */
  columns = "";
  /** @type {Problem[]} */
  refused = [];
  /** @type {Set<string>} */
  #hidden = new Set();

  /**
   * Add files; returns how many of them were there already.
   * @param {Named[]} files
   */
  add(files) {
    let repeated = 0;
    for (const { path, file } of files) {
      if (isHidden(path)) this.#hidden.add(path);
      else if (LISTS.some((ending) => isNamed(file, ending))) repeated += this.#keep(this.manifests, { path, file });
      else if (isNamed(file, ".zip")) repeated += this.#keep(this.archives, { path, file, names: null });
      else repeated += this.#addPhoto(path, file);
    }
    return repeated;
  }

  /**
   * @param {string} path
   * @param {File} file
   */
  #addPhoto(path, file) {
    const other = this.photos.get(path);
    if (!other) this.photos.set(path, file);
    else if (isSame(other, file)) return 1;
    else {
      const words = "Another photo of this name is there already. Enrol this one in a batch of its own.";
      this.refused.push({ path, words });
    }
    return 0;
  }

  /**
   * @template {Named} N
   * @param {N[]} list
   * @param {N} added
   */
  #keep(list, added) {
    if (list.some(({ path, file }) => path === added.path && isSame(file, added.file))) return 1;
    list.push(added);
    return 0;
  }

  /** Whether there is something that photos can come from. */
  get hasPhotos() {
    return this.photos.size + this.archives.length > 0;
  }

  get isEmpty() {
    return this.photos.size + this.archives.length + this.manifests.length + this.refused.length + this.hidden === 0;
  }

  /** The number of system files that are left out, but for those in archives. */
  get hiddenFiles() {
    return this.#hidden.size;
  }

  /** The number of system files that are left out, those in archives included. */
  get hidden() {
    return this.archives.reduce((sum, { names }) => sum + (names ?? []).filter(isHidden).length, this.#hidden.size);
  }

  /** The paths of all photos, those in archives included as far as they were read. */
  get paths() {
    const paths = [...this.photos.keys()];
    for (const { names } of this.archives) {
      for (const name of names ?? []) if (!isHidden(name)) paths.push(name);
    }
    return paths;
  }

  /** The size of everything that would be sent. */
  get bytes() {
    let sum = 0;
    for (const file of this.photos.values()) sum += file.size;
    for (const { file } of [...this.archives, ...this.manifests]) sum += file.size;
    return sum;
  }
}

/**
 * Whether the beginning of a list tells how it is read.
 * @param {File} file
 */
export function isTextList(file) {
  return TEXT_LISTS.some((ending) => isNamed(file, ending));
}

/**
 * @param {File} file
 * @param {string} ending
 */
function isNamed(file, ending) {
  return file.name.toLowerCase().endsWith(ending);
}

/**
 * @param {File} one
 * @param {File} other
 */
function isSame(one, other) {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}
