// [data-upload-batch]: the part of a batch's page that takes files and sends them.
import { fresh } from "../page.js";
import { Courier, Stopped } from "./courier.js";
import { DropZone } from "./drop-zone.js";
import { ProgressView } from "./progress-view.js";
import { Selection } from "./selection.js";
import { Sending } from "./sending.js";
import { stay } from "./stay.js";

/** @param {HTMLElement} root */
export function batchUploads(root) {
  for (const element of fresh(root, "[data-upload-batch]", "Upload")) offerToGoOn(element);
}

/**
 * Drop the same files again: what is missing is sent.
 * @param {HTMLElement} element
 */
function offerToGoOn(element) {
  const drop = element.querySelector("[data-bulk-drop]");
  new DropZone(drop, (files, unread) => {
    const selection = new Selection();
    selection.add(files);
    selection.refused.push(...unread);
    const problem = element.querySelector("[data-resume-problem]");
    const words = problemOf(selection, element.dataset.hasManifest === "yes");
    element.querySelector("[data-resume-problem-words]").textContent = words;
    problem.hidden = words === "";
    if (words) problem.focus();
    else sendSelection(element, selection);
  });
}

/**
 * Why this can't be sent, in words; "" if it can.
 * @param {Selection} selection
 * @param {boolean} hasManifest
 */
function problemOf({ hasPhotos, manifests, refused }, hasManifest) {
  if (manifests.length > 1 && !hasManifest) {
    return "There are several lists. Drop only the one that says who is on which photo.";
  }
  if (hasPhotos) return "";
  if (manifests.length > 0) return "Drop the list together with the photos that it names.";
  const [first] = refused;
  return first ? `${first.path}: ${first.words}` : "There is no photo in what was dropped.";
}

/**
 * Send what was selected to the batch of this element, to the end.
 * @param {HTMLElement} element
 * @param {Selection} selection
 */
export async function sendSelection(element, selection) {
  element.querySelector("[data-resume]").hidden = true;
  const courier = new Courier(element.dataset.url);
  const hasManifest = element.dataset.hasManifest === "yes";
  const sending = new Sending(selection, courier, hasManifest, (words) => askForManifest(element, words));
  const view = new ProgressView(element, sending.progress, courier);
  stay(true);
  view.begin();
  try {
    await sending.run();
    view.done();
  } catch (error) {
    if (error instanceof Stopped) {
      view.stopped(error.message);
      return;
    }
    view.stopped(
      "Something went wrong on this page. Reload it and drop the same files again: what has arrived is not sent again.",
    );
    throw error;
  } finally {
    stay(false);
  }
}

/**
 * The manifest can't be used: say why, and wait for another one.
 * @param {HTMLElement} element
 * @param {string} words
 * @returns {Promise<File>}
 */
function askForManifest(element, words) {
  const question = element.querySelector("[data-sending-manifest]");
  const input = question.querySelector("input");
  question.querySelector("[data-sending-manifest-words]").textContent = words;
  question.hidden = false;
  question.querySelector("button").focus();
  question.querySelector("button").onclick = () => input.click();
  return new Promise((resolve) => {
    input.onchange = () => {
      const [file] = input.files;
      input.value = "";
      question.hidden = true;
      resolve(file);
    };
  });
}
