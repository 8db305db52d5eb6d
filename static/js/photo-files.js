// What can be known about a chosen file before it is sent.

const MAX_PHOTO_BYTES = 25 * 1024 * 1024;

const HEIC_BRANDS = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"]);

/**
 * What is wrong with a file, in words for staff; "" when nothing is.
 * @param {File} file
 */
export async function problemOf(file) {
  if (file.size === 0) return "The file is empty. Save the photo again.";
  if (file.size > MAX_PHOTO_BYTES) return "Larger than 25 MiB. Save a smaller copy.";
  let start;
  try {
    start = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  } catch {
    return "Can't be read. It may have been moved, or it is a folder.";
  }
  return isPhoto(start) ? "" : "Not a photo that can be used. Choose a JPEG, PNG, WebP or HEIC photo.";
}

/**
 * By its first bytes, as the server does; a name says nothing.
 * @param {Uint8Array} start
 */
function isPhoto(start) {
  const text = (/** @type {number} */ from, /** @type {number} */ to) => String.fromCharCode(...start.slice(from, to));
  if (start[0] === 0xff && start[1] === 0xd8 && start[2] === 0xff) return true;
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return true;
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return true;
  return text(4, 8) === "ftyp" && HEIC_BRANDS.has(text(8, 12));
}

/**
 * A file's size as the portal writes it everywhere: "312 KB", "4.2 MB".
 * @param {number} bytes
 */
export function sizeInWords(bytes) {
  if (bytes < 1_000_000) return `${bytes === 0 ? 0 : Math.max(1, Math.round(bytes / 1000))} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
