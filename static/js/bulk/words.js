// Numbers as staff read them.
import { sizeInWords } from "../photo-files.js";

const GROUPED = new Intl.NumberFormat("en-GB");

/**
 * "1 photo", "12,345 photos".
 * @param {number} number
 * @param {string} noun
 */
export function count(number, noun) {
  return `${GROUPED.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * "12,345".
 * @param {number} number
 */
export function grouped(number) {
  return GROUPED.format(number);
}

/**
 * "312 KB", "4.2 MB", "3.4 GB".
 * @param {number} bytes
 */
export function size(bytes) {
  return bytes < 1_000_000_000 ? sizeInWords(bytes) : `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/**
 * "about 4 minutes".
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 50) return "less than a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${count(Math.max(1, minutes), "minute")}`;
  return `about ${count(Math.round(seconds / 3600), "hour")}`;
}
