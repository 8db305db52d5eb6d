// How many requests go side by side: fewer when the portal says that too much is under way, more again after a
// while without that.

export const AT_ONCE = 3;
const MORE_AFTER = 20;

export class Lanes {
  #open = AT_ONCE;
  #taken = 0;
  /** Requests that got through since the last change. */
  #through = 0;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** Wait for a free lane, and take it. */
  async take() {
    while (this.#taken >= this.#open) {
      await new Promise((/** @type {(value: void) => void} */ resolve) => this.#waiting.push(() => resolve()));
    }
    this.#taken += 1;
  }

  /** Let the next one have it. */
  free() {
    this.#taken -= 1;
    this.#wake();
  }

  /** The portal took a request. */
  gotThrough() {
    this.#through += 1;
    if (this.#through < MORE_AFTER || this.#open === AT_ONCE) return;
    this.#through = 0;
    this.#open += 1;
    this.#wake();
  }

  /** The portal has too much under way. */
  fewer() {
    this.#through = 0;
    this.#open = Math.max(1, this.#open - 1);
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
