// ui.face_map: a click on a box presses the button of that face; pointing at the button shows its box.
// The buttons do the work, so keyboards and screen readers lose nothing.
import { fresh } from "./page.js";

/** @param {HTMLElement} root */
export function faceMaps(root) {
  for (const face of fresh(root, "[data-chooses]", "Face")) {
    const button = document.getElementById(face.dataset.chooses);
    if (!button) continue;
    face.classList.add("face-map__face--clickable");
    face.addEventListener("click", () => button.click());
    const point = (/** @type {boolean} */ on) => () => face.classList.toggle("face-map__face--pointed", on);
    for (const name of ["pointerenter", "focus"]) button.addEventListener(name, point(true));
    for (const name of ["pointerleave", "blur"]) button.addEventListener(name, point(false));
  }
}
