// One card per core, which shows the core's job and its progress, and one "brush" per core: the frame
// that marks, in the picture, the tile that the core is working on.

import { make, write } from "./element.js";
import { coreRecord, coreSentence } from "./sentence.js";
import { frame } from "./tile.js";

/**
 * @typedef {import("./pkg/distcompute_client.js").VolunteerStatus} Status
 * @typedef {import("./pkg/distcompute_client.js").CoreStatus} Core
 * @typedef {import("./tile.js").Parameters} Parameters
 */

class Card {
  #bar = make("progress", "");
  #text = make("p", "doing");
  #note = make("p", "note");
  brush = make("div", "brush");
  element;

  /** @param {number} place */
  constructor(place) {
    const title = make("h3", "", `Core ${place + 1}`);
    title.id = `core-${place + 1}`;
    this.#bar.setAttribute("aria-labelledby", title.id);
    const head = make("div", "card-head", title, this.#note);
    this.element = make("li", "card", head, this.#bar, this.#text);
  }

  /**
   * @param {Core} core
   * @param {Status["stageNames"]} names
   * @param {Parameters} poster
   */
  show(core, names, poster) {
    this.element.dataset.state = core.state;
    this.#bar.max = core.total || 1;
    this.#bar.value = core.done;
    write(this.#note, coreRecord(core));
    write(this.#text, coreSentence(core, names));
    this.#showBrush(core.job === null ? undefined : frame(poster, core.job - 1), poster);
  }

  /**
   * @param {ReturnType<typeof frame>} place
   * @param {Parameters} poster
   */
  #showBrush(place, poster) {
    this.brush.hidden = !place;
    if (!place) return;
    /** @type {(part: number, whole: number) => string} */
    const percent = (part, whole) => `${(100 * part) / whole}%`;
    this.brush.style.left = percent(place.x, poster.width);
    this.brush.style.top = percent(place.y, poster.height);
    this.brush.style.width = percent(place.width, poster.width);
    this.brush.style.height = percent(place.height, poster.height);
  }
}

export class Cards {
  /** @type {Card[]} */
  #cards = [];
  #list;
  #brushes;
  #poster;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} brushes the layer above the picture
   * @param {Parameters} poster
   */
  constructor(list, brushes, poster) {
    this.#list = list;
    this.#brushes = brushes;
    this.#poster = poster;
  }

  /** @param {Status} status */
  show({ cores, stageNames }) {
    if (this.#cards.length !== cores.length) {
      this.#cards = cores.map(({ core }) => new Card(core));
      this.#list.replaceChildren(...this.#cards.map((card) => card.element));
      this.#brushes.replaceChildren(...this.#cards.map((card) => card.brush));
    }
    this.#cards.forEach((card, index) => {
      const core = cores[index];
      if (core) card.show(core, stageNames, this.#poster);
    });
  }
}
