// How fast something goes, from what it did in the last half minute.

const WINDOW_S = 30;
const SURE_AFTER_S = 3;

export class Pace {
  /** @type {{now: number, photos: number, bytes: number}[]} */
  #samples = [];

  /**
   * Take note that by now (seconds) so many photos and bytes have gone.
   * @param {number} now
   * @param {number} photos
   * @param {number} bytes
   */
  note(now, photos, bytes) {
    if (now - (this.#samples.at(-1)?.now ?? -Infinity) < 1) return;
    this.#samples.push({ now, photos, bytes });
    while (this.#samples[0].now < now - WINDOW_S) this.#samples.shift();
  }

  /** What was before does not count any more: nothing went meanwhile. */
  forget() {
    this.#samples = [];
  }

  /** {photos, bytes} a second; null as long as nobody can say. */
  get perSecond() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || last.now - first.now < SURE_AFTER_S) return null;
    const seconds = last.now - first.now;
    return { photos: (last.photos - first.photos) / seconds, bytes: (last.bytes - first.bytes) / seconds };
  }
}
