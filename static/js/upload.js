// form[data-upload]: send the form with progress, then show the page that it is answered with. When the
// network fails, everything stays as it is, to be sent again.
import { fresh, showPage } from "./page.js";
import { addPhotos } from "./photo-drop.js";
import { sessionHasEnded, signInInPlace } from "./sign-in.js";

/** @param {HTMLElement} root */
export function uploads(root) {
  /** @type {HTMLFormElement[]} */
  const forms = fresh(root, "form[data-upload]", "Upload");
  for (const form of forms) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!form.dataset.sending) sendSignedIn(form, event.submitter);
    });
  }
}

/**
 * Ask first whether the session is still there: many photos are not sent in vain.
 * @param {HTMLFormElement} form
 * @param {HTMLElement} submitter
 */
async function sendSignedIn(form, submitter) {
  form.dataset.sending = "yes";
  const goesOn = !(await sessionHasEnded()) || (await signInInPlace(form));
  delete form.dataset.sending;
  if (goesOn) send(form, submitter);
  else submitter?.focus();
}

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement} submitter
 */
function send(form, submitter) {
  const part = (/** @type {string} */ name) => form.querySelector(`[data-upload-${name}]`);
  const [progress, words, failure] = ["progress", "words", "failure"].map(part);
  /** @type {HTMLProgressElement} */
  const meter = form.querySelector("[data-upload-meter]");
  const request = new XMLHttpRequest();

  /** @param {boolean} on */
  function sending(on) {
    if (on) form.dataset.sending = "yes";
    else delete form.dataset.sending;
    /** @type {NodeListOf<HTMLButtonElement>} */
    const buttons = form.querySelectorAll("button[type=submit]");
    for (const button of buttons) button.disabled = on;
    progress.hidden = !on;
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  function failed(title, text) {
    sending(false);
    part("failure-title").textContent = title;
    part("failure-text").textContent = text;
    failure.hidden = false;
    submitter?.focus();
  }

  /**
   * What is no page with this form stays away, so that nothing chosen goes.
   * @param {number} status
   * @param {Document} page
   */
  function refused(status, page) {
    if (page.querySelector("[data-kept-form]")) {
      sending(false);
      sendSignedIn(form, submitter);
      return;
    }
    const heading = page.querySelector("h1")?.textContent.trim();
    failed(
      heading ? `${heading}.` : "The photos were not accepted.",
      status === 413
        ? "They are too large together. Remove some, and send those afterwards."
        : "Your photos are still here. If you signed in as someone else or switched to another organization, go back to where you opened this page; else try again in a moment.",
    );
  }

  // Before the buttons are disabled: the one that was pressed is part of the form.
  const data = new FormData(form, submitter);
  failure.hidden = true;
  meter.value = 0;
  words.textContent = "Uploading…";
  sending(true);

  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    const percent = Math.floor((100 * event.loaded) / event.total);
    meter.value = percent;
    words.textContent = `Uploading… ${percent} %`;
  });
  request.upload.addEventListener("load", () => {
    meter.removeAttribute("value");
    words.textContent = "Uploaded. The portal is storing it…";
  });
  request.addEventListener("load", () => {
    if (request.status === 429 || request.status === 503) {
      failed("Too much is under way at once.", "Your photos are still here: try again in a few seconds.");
      return;
    }
    const answered = new DOMParser().parseFromString(request.responseText, "text/html");
    if (request.status >= 400 && !answered.querySelector("form[data-upload]")) {
      refused(request.status, answered);
      return;
    }
    const chosen = request.status >= 400 ? photosIn(form) : new Map();
    if (showPage(request.responseText, request.responseURL)) {
      putBack(chosen);
      return;
    }
    refused(request.status, answered);
  });
  request.addEventListener("error", () => {
    failed(
      "The connection was lost before everything was sent.",
      "Your photos are still here. Check the network, then send them again.",
    );
  });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.send(data);
}

/**
 * When the page comes back with something to correct, the photos need not be chosen again.
 * @param {HTMLFormElement} form
 * @returns {Map<string, FileList>}
 */
function photosIn(form) {
  /** @type {NodeListOf<HTMLInputElement>} */
  const inputs = form.querySelectorAll("[data-photo-drop] input[type=file]");
  return new Map(Array.from(inputs, (input) => [input.name, input.files]));
}

/** @param {Map<string, FileList>} chosen */
function putBack(chosen) {
  for (const [name, files] of chosen) {
    const input = document.querySelector(`[data-photo-drop] input[type=file][name="${CSS.escape(name)}"]`);
    if (input && files.length > 0) addPhotos(input.closest("[data-photo-drop]"), files);
  }
}
