// How far the sending is, on the page: for eyes all the time, for screen readers now and then.
import { announce } from "../page.js";
import { Pace } from "./pace.js";
import { count, duration, grouped, size } from "./words.js";

/**
 * @import { Courier } from "./courier.js"
 * @import { Carried, Progress } from "./sending.js"
 *
 * @typedef {{row: HTMLElement, name: HTMLElement, meter: HTMLProgressElement}} Row
 */

const SHOWN_EVERY_MS = 250;
const MOST_PROBLEMS = 100;

export class ProgressView {
  #pace = new Pace();
  #tenths = 0;
  #problemsShown = 0;
  #trouble = "";
  /** @type {number} */
  #timer;

  /**
   * @param {HTMLElement} element
   * @param {Progress} progress
   * @param {Courier} courier
   */
  constructor(element, progress, courier) {
    this.part = (/** @type {string} */ name) => element.querySelector(`[data-sending-${name}]`);
    this.progress = progress;
    this.courier = courier;
    /** @type {Row[]} */
    this.rows = Array.from(this.part("under-way").querySelectorAll(":scope > *"), (row) => ({
      row,
      name: row.querySelector("[data-sending-file]"),
      meter: row.querySelector("progress"),
    }));
    this.part("toggle").addEventListener("click", () => this.#toggle());
  }

  begin() {
    this.part("progress").hidden = false;
    this.part("title").focus();
    announce(`Sending ${this.#what()}.`);
    this.#timer = setInterval(() => this.#show(), SHOWN_EVERY_MS);
    this.#show();
  }

  /** Everything that could be sent has been. */
  done() {
    const { arrived, already, archives } = this.progress;
    const parts = [];
    if (arrived > 0 || archives === 0) parts.push(count(arrived, "photo"));
    if (archives > 0) parts.push(count(archives, "ZIP"));
    const has = arrived + archives === 1 ? "has" : "have";
    const earlier = already > 0 ? `, ${grouped(already)} of them earlier` : "";
    const words = `${parts.join(" and ")} ${has} arrived${earlier}. You can close this tab: the portal goes on by itself.`;
    this.#end("Everything is sent", words);
  }

  /**
   * Nothing more can be sent.
   * @param {string} words
   */
  stopped(words) {
    this.#end("Sending has ended", words);
  }

  /**
   * @param {string} title
   * @param {string} words
   */
  #end(title, words) {
    clearInterval(this.#timer);
    this.#show();
    this.#showTrouble("");
    const hadFocus = this.part("toggle") === document.activeElement;
    this.part("toggle").hidden = true;
    this.part("under-way").hidden = true;
    this.part("title").textContent = title;
    this.part("words").textContent = words;
    if (hadFocus) this.part("title").focus();
    announce([`${title}. ${words}`, this.#problemsInWords()].join(" ").trim());
  }

  #what() {
    const { photos, bytes } = this.progress;
    return photos > 0 ? `${count(photos, "photo")}, ${size(bytes)}` : size(bytes);
  }

  #toggle() {
    const { courier } = this;
    if (courier.isHeld) courier.goOn();
    else courier.hold();
    this.part("toggle").textContent = courier.isHeld ? "Go on sending" : "Stop sending";
    announce(courier.isHeld ? "Sending is stopped." : "Sending goes on.");
    this.#show();
  }

  #show() {
    const { progress, courier } = this;
    const meter = /** @type {HTMLProgressElement} */ (this.part("meter"));
    meter.max = Math.max(1, progress.bytes);
    meter.value = progress.sentBytes;
    this.part("words").textContent = this.#words();
    this.part("title").textContent = courier.isHeld ? "Sending is stopped" : "Sending";
    for (const [place, row] of this.rows.entries()) showCarried(row, courier.isHeld ? null : progress.underWay[place]);
    this.part("toggle").hidden = ["another manifest", "comparing"].includes(progress.step);
    this.#showTrouble(courier.trouble);
    this.#showProblems();
    this.#sayTenths();
  }

  #words() {
    const { step, announced, dropped, compared, toCompare } = this.progress;
    if (step === "manifest") return "Sending the manifest…";
    if (step === "another manifest") return "Waiting for another manifest";
    if (step === "announcing")
      return `Telling the portal what comes: ${grouped(announced)} of ${count(dropped, "photo")}`;
    if (step === "comparing") {
      return `Comparing what had arrived earlier: ${grouped(compared)} of ${count(toCompare, "photo")}`;
    }
    return this.#sendingInWords();
  }

  #sendingInWords() {
    const { photos, arrived, already, bytes, alreadyBytes, refusedBytes, sentBytes, problems } = this.progress;
    const words = [];
    if (photos > 0) words.push(`${grouped(arrived)} of ${count(photos, "photo")} sent`);
    words.push(`${size(sentBytes)} of ${size(bytes)}`);
    if (already > 0) words.push(`${grouped(already)} were there already`);
    if (this.courier.isHeld || this.courier.trouble) {
      this.#pace.forget();
      return words.join(" · ");
    }
    // What is refused has been dealt with as well.
    const [dealtWith, bytesOfThose] = [arrived - already + problems.length, sentBytes - alreadyBytes + refusedBytes];
    this.#pace.note(performance.now() / 1000, dealtWith, bytesOfThose);
    const speed = this.#pace.perSecond;
    if (speed?.photos > 0)
      words.push(`${speed.photos < 10 ? speed.photos.toFixed(1) : Math.round(speed.photos)} photos/s`);
    if (speed?.bytes > 0) words.push(`${duration((bytes - sentBytes) / speed.bytes)} left`);
    return words.join(" · ");
  }

  /** @param {string} words */
  #showTrouble(words) {
    if (words === this.#trouble) return;
    this.#trouble = words;
    this.part("trouble-words").textContent = words;
    this.part("trouble").hidden = words === "";
    announce(words || "Sending goes on.");
  }

  #showProblems() {
    const { problems } = this.progress;
    const list = this.part("problem-list");
    for (const { path, words } of problems.slice(this.#problemsShown, MOST_PROBLEMS)) {
      const row = document.createElement("li");
      const name = document.createElement("strong");
      name.textContent = path;
      row.append(name, ` ${words}`);
      list.append(row);
    }
    if (problems.length === this.#problemsShown) return;
    // The first one is told at once, the others with the next tenth.
    if (this.#problemsShown === 0) announce(this.#problemsInWords());
    this.#problemsShown = problems.length;
    this.part("problems").hidden = false;
    this.part("problems-title").textContent = this.#problemsInWords();
    const more = problems.length - MOST_PROBLEMS;
    this.part("problems-more").hidden = more <= 0;
    this.part("problems-more").textContent = `And ${count(more, "other")}.`;
  }

  #problemsInWords() {
    const number = this.progress.problems.length;
    if (number === 0) return "";
    return `${count(number, "file")} ${number === 1 ? "was" : "were"} not accepted.`;
  }

  #sayTenths() {
    const { step, bytes, sentBytes } = this.progress;
    const tenths = Math.floor((10 * sentBytes) / Math.max(1, bytes));
    if (step !== "sending" || tenths <= this.#tenths) return;
    this.#tenths = tenths;
    announce(`${10 * tenths} % sent. ${this.#problemsInWords()}`.trim());
  }
}

/**
 * The files of a request follow each other: the one that is on its way is the one that the bytes have come to.
 * @param {Row} row
 * @param {Carried} carried
 */
function showCarried({ row, name, meter }, carried) {
  row.hidden = !carried;
  if (!carried) return;
  let gone = carried.part * carried.files.reduce((sum, { size }) => sum + size, 0);
  let place = 0;
  while (place < carried.files.length - 1 && gone >= carried.files[place].size) {
    gone -= carried.files[place].size;
    place += 1;
  }
  const file = carried.files[place];
  name.textContent = file.path;
  meter.max = Math.max(1, file.size);
  meter.value = gone;
  meter.setAttribute("aria-label", file.path);
}
