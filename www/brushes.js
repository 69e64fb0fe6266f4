// One "brush" per core: the frame that marks, in the picture, the tile that the core is working on.

import { make } from "./element.js";
import { frame } from "./tile.js";

/**
 * @typedef {import("distcompute-client").CoreStatus} Core
 * @typedef {import("./tile.js").Parameters} Parameters
 */

export class Brushes {
  /** @type {HTMLElement[]} */
  #brushes = [];
  #layer;
  #poster;

  /**
   * @param {HTMLElement} layer the layer above the picture
   * @param {Parameters} poster
   */
  constructor(layer, poster) {
    this.#layer = layer;
    this.#poster = poster;
  }

  /** @param {readonly Readonly<Core>[]} cores */
  show(cores) {
    if (this.#brushes.length !== cores.length) {
      this.#brushes = cores.map(() => make("div", "brush"));
      this.#layer.replaceChildren(...this.#brushes);
    }
    this.#brushes.forEach((brush, index) => {
      const job = cores[index]?.job ?? null;
      this.#place(brush, job === null ? undefined : frame(this.#poster, job - 1));
    });
  }

  /**
   * @param {HTMLElement} brush
   * @param {ReturnType<typeof frame>} place
   */
  #place(brush, place) {
    brush.hidden = !place;
    if (!place) return;
    const poster = this.#poster;
    /** @type {(part: number, whole: number) => string} */
    const percent = (part, whole) => `${(100 * part) / whole}%`;
    brush.style.left = percent(place.x, poster.width);
    brush.style.top = percent(place.y, poster.height);
    brush.style.width = percent(place.width, poster.width);
    brush.style.height = percent(place.height, poster.height);
  }
}
