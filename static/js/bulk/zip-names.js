// The names in a ZIP, read from the directory at its end: the photos in it are not touched.
// APPNOTE.TXT of PKWARE, 4.3.12 to 4.3.16, says where the numbers are.

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const ENTRY = 0x02014b50;

const IN_UTF_8 = 1 << 11;
const UNICODE_PATH = 0x7075;
const LONGEST_COMMENT = 0xffff;
const LARGEST_DIRECTORY = 64 * 1024 * 1024;

/**
 * The paths of the files in a ZIP. Raises Error where it can't be read.
 * @param {File} file
 */
export async function namesInZip(file) {
  const directory = await directoryOf(file);
  if (directory.size > LARGEST_DIRECTORY) throw new Error("The ZIP's directory is too large.");
  const view = await read(file, directory.start, directory.size);
  /** @type {string[]} */
  const names = [];
  for (let at = 0; at < view.byteLength; ) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("The ZIP's directory is damaged.");
    const length = view.getUint16(at + 28, true);
    const extra = view.getUint16(at + 30, true);
    const unicode = unicodePath(view, at + 46 + length, at + 46 + length + extra);
    const bytes = unicode ?? new Uint8Array(view.buffer, at + 46, length);
    const name = decoded(bytes, (view.getUint16(at + 8, true) & IN_UTF_8) !== 0);
    if (!name.endsWith("/") && !name.endsWith("\\")) names.push(name);
    at += 46 + length + extra + view.getUint16(at + 32, true);
  }
  return names;
}

/**
 * The name in UTF-8 that stands in an extra field beside the other one (APPNOTE.TXT 4.6.9), if there is one.
 * @param {DataView<ArrayBuffer>} view
 * @param {number} at
 * @param {number} end
 */
function unicodePath(view, at, end) {
  for (let field = at; field + 4 <= end; field += 4 + view.getUint16(field + 2, true)) {
    const length = view.getUint16(field + 2, true);
    if (view.getUint16(field, true) === UNICODE_PATH && length > 5 && field + 4 + length <= end) {
      return new Uint8Array(view.buffer, field + 9, length - 5);
    }
  }
  return null;
}

/**
 * Many names are in UTF-8 and do not say so. Raises TypeError for others: the portal finds out what they are
 * written in, or asks.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {boolean} saysUtf8
 */
function decoded(bytes, saysUtf8) {
  return new TextDecoder("utf-8", { fatal: !saysUtf8 }).decode(bytes);
}

/** @param {File} file */
async function directoryOf(file) {
  const tailStart = Math.max(0, file.size - LONGEST_COMMENT - 22 - 20);
  const tail = await read(file, tailStart, file.size - tailStart);
  let end = tail.byteLength - 22;
  while (
    end >= 0 &&
    !(tail.getUint32(end, true) === END && end + 22 + tail.getUint16(end + 20, true) === tail.byteLength)
  ) {
    end -= 1;
  }
  if (end < 0) throw new Error("This is not a ZIP, or its end is missing.");
  if (end >= 20 && tail.getUint32(end - 20, true) === LOCATOR_64) {
    const end64 = await read(file, Number(tail.getBigUint64(end - 12, true)), 56);
    if (end64.getUint32(0, true) !== END_64) throw new Error("The ZIP's directory is damaged.");
    return { size: Number(end64.getBigUint64(40, true)), start: Number(end64.getBigUint64(48, true)) };
  }
  const size = tail.getUint32(end + 12, true);
  // Not the offset that is written there: something may stand before the ZIP.
  return { size, start: tailStart + end - size };
}

/**
 * @param {File} file
 * @param {number} start
 * @param {number} size
 */
async function read(file, start, size) {
  if (start < 0 || start + size > file.size) throw new Error("The ZIP's directory is damaged.");
  return new DataView(await file.slice(start, start + size).arrayBuffer());
}
