// What can be known about a chosen file before it is sent.

const MAX_PHOTO_BYTES = 25 * 1024 * 1024;

// What the server calls a photo (portal/photos/formats.py), by how the file begins.
const BEGINNINGS = ["\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "GIF87a", "GIF89a", "II*\0", "MM\0*", "\xff\x4f\xff\x51"];
const JPEG_2000 = "\0\0\0\x0cjP  \r\n\x87\n";
// Brands of pictures in files that may be films as well.
const BRANDS = /heic|heix|heim|heis|hevc|hevx|hevm|hevs|mif1|msf1|avif|avis/;

/**
 * What is wrong with a file, in words for staff; "" when nothing is.
 * @param {File} file
 */
export async function problemOf(file) {
  if (file.size === 0) return "The file is empty. Save the photo again.";
  if (file.size > MAX_PHOTO_BYTES) return "Larger than 25 MiB. Save a smaller copy.";
  let start;
  try {
    start = String.fromCharCode(...new Uint8Array(await file.slice(0, 1024).arrayBuffer()));
  } catch {
    return "Can't be read. It may have been moved, or it is a folder.";
  }
  if (isPhoto(start)) return "";
  if (start.includes("%PDF-")) {
    return "A PDF is a document and not a photo. Save or export each page as a JPEG picture, and add those.";
  }
  return "Not a photo that can be used. Save it as JPEG or PNG, and add that.";
}

/**
 * By its first bytes, as the server does; a name says nothing.
 * @param {string} start a character a byte
 */
function isPhoto(start) {
  if ([...BEGINNINGS, JPEG_2000].some((beginning) => start.startsWith(beginning))) return true;
  if (start.startsWith("RIFF") && start.startsWith("WEBP", 8)) return true;
  if (start.startsWith("BM") && start.startsWith("\0\0\0\0", 6)) return true;
  return start.startsWith("ftyp", 4) && BRANDS.test(start.slice(8, start.charCodeAt(3)));
}

/**
 * A file's size as the portal writes it everywhere: "312 KB", "4.2 MB".
 * @param {number} bytes
 */
export function sizeInWords(bytes) {
  if (bytes < 1_000_000) return `${bytes === 0 ? 0 : Math.max(1, Math.round(bytes / 1000))} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
