// What the checks of types know besides the browser's own; no page loads this.
import type { HtmxBeforeSwapDetails, HtmxResponseInfo, default as htmx } from "htmx.org";

declare global {
  interface Window {
    htmx: typeof htmx;
  }

  interface DocumentEventMap {
    "htmx:load": CustomEvent;
    "htmx:beforeOnLoad": CustomEvent<HtmxResponseInfo>;
    "htmx:beforeSwap": CustomEvent<HtmxBeforeSwapDetails>;
  }

  interface HTMLElementEventMap {
    "photos:add": CustomEvent<File[]>;
  }

  // What a script looks for is HTML, and in the template: a page without it is a fault of the page.
  interface ParentNode {
    querySelector<K extends keyof HTMLElementTagNameMap>(selectors: K): HTMLElementTagNameMap[K];
    querySelector<E extends Element = HTMLElement>(selectors: string): E;
    querySelectorAll<K extends keyof HTMLElementTagNameMap>(selectors: K): NodeListOf<HTMLElementTagNameMap[K]>;
    querySelectorAll<E extends Element = HTMLElement>(selectors: string): NodeListOf<E>;
  }
}
