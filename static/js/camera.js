// The camera of ui.photo_drop: live picture, take, use or retake. The camera is released whenever the
// dialog closes.

/** @type {Record<string, string>} */
const PROBLEMS = {
  NotAllowedError:
    "The browser does not allow the camera here. Allow it beside the address, then open the camera again.",
  NotFoundError: "No camera was found. Connect one, then open the camera again.",
  NotReadableError: "The camera is used by another program. Close that program, then open the camera again.",
};

export function camerasWork() {
  // Browsers offer the camera to secure pages only.
  return Boolean(navigator.mediaDevices?.getUserMedia);
}

/**
 * Wire a camera dialog; `use` is called with every photo that is kept. Returns how to open it.
 * @param {HTMLDialogElement} dialog
 * @param {(photo: File) => void} use
 */
export function cameraDialog(dialog, use) {
  /** @type {<E extends HTMLElement>(name: string) => E} */
  const part = (name) => dialog.querySelector(`[data-camera-${name}]`);
  /** @type {[HTMLVideoElement, HTMLImageElement, HTMLElement]} */
  const [video, still, problem] = [part("video"), part("still"), part("problem")];
  /** @type {HTMLButtonElement[]} */
  const [takeButton, retakeButton, useButton] = [part("take"), part("retake"), part("use")];
  /** @type {MediaStream} */
  let stream = null;
  /** @type {File} */
  let photo = null;

  function release() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
  }

  function forget() {
    if (still.src) URL.revokeObjectURL(still.src);
    still.removeAttribute("src");
    photo = null;
  }

  function showLive() {
    forget();
    still.hidden = true;
    video.hidden = false;
    for (const button of [retakeButton, useButton]) button.hidden = true;
    takeButton.hidden = false;
    takeButton.disabled = video.videoWidth === 0;
  }

  async function open() {
    problem.hidden = true;
    showLive();
    dialog.showModal();
    try {
      const opened = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1080 } },
      });
      if (!dialog.open) {
        // Closed while the browser was asking.
        for (const track of opened.getTracks()) track.stop();
        return;
      }
      stream = opened;
      video.srcObject = stream;
      await video.play();
      takeButton.disabled = false;
      takeButton.focus();
    } catch (error) {
      if (!dialog.open) return;
      problem.textContent =
        PROBLEMS[/** @type {DOMException} */ (error).name] ??
        "The camera could not be opened. Choose a photo from a file instead.";
      problem.hidden = false;
      video.hidden = true;
    }
  }

  function take() {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob(
      (blob) => {
        if (!blob || !dialog.open) return;
        const moment = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
        photo = new File([blob], `camera-${moment}.jpg`, { type: "image/jpeg" });
        still.src = URL.createObjectURL(blob);
        still.hidden = false;
        video.hidden = true;
        takeButton.hidden = true;
        for (const button of [retakeButton, useButton]) button.hidden = false;
        useButton.focus();
      },
      "image/jpeg",
      0.95,
    );
  }

  takeButton.addEventListener("click", take);
  retakeButton.addEventListener("click", () => {
    showLive();
    takeButton.focus();
  });
  useButton.addEventListener("click", () => {
    use(photo);
    dialog.close();
  });
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    release();
    forget();
  });
  window.addEventListener("pagehide", release);
  return open;
}
