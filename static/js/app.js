// The one script of the portal's pages. Pages work without it; it makes them easier to use.
// Every part gets the piece of the page that is new: the whole body, what htmx put in, or the page
// that an upload was answered with.
import { batchUploads } from "./bulk/batch.js";
import { enrolForms } from "./bulk/enrol-form.js";
import { confirmInDialogs } from "./confirm.js";
import { copyButtons } from "./copy.js";
import { pairKeys, pairPages, printButtons } from "./duplicates.js";
import { faceMaps } from "./face-map.js";
import { sayWhatChanged, watchPolling } from "./live.js";
import { closeMenusFromOutside } from "./menus.js";
import { onPage } from "./page.js";
import { photoDrops } from "./photo-drop.js";
import { sendOnce } from "./submit-once.js";
import { uploads } from "./upload.js";

closeMenusFromOutside();
pairKeys();
sendOnce();
watchPolling();
onPage(
  ...[batchUploads, confirmInDialogs, copyButtons, enrolForms, faceMaps, pairPages],
  ...[photoDrops, printButtons, sayWhatChanged, uploads],
);
