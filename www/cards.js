// A card a core: its job, how far it is, what it is doing. And its brush: the frame round the tile in
// the picture that it is working on.

import { make, write } from "./element.js";
import { coreSentence, count } from "./sentence.js";
import { frame } from "./tile.js";

/**
 * @typedef {import("./core.js").Core} Core
 * @typedef {import("./messages.js").Parameters} Parameters
 */

class Card {
  #title;
  #badge = make("span", "badge");
  #bar = make("progress", "");
  #text = make("p", "doing");
  #note = make("p", "note");
  brush = make("div", "brush");
  element;

  /** @param {number} index */
  constructor(index) {
    this.#title = make("h3", "", `Core ${index + 1}`);
    this.#title.id = `core-${index + 1}`;
    this.#bar.setAttribute("aria-labelledby", this.#title.id);
    const head = make("div", "card-head", this.#title, this.#badge);
    this.element = make("li", "card", head, this.#bar, this.#text, this.#note);
  }

  /**
   * @param {Core} core
   * @param {number} now
   * @param {Parameters} poster
   */
  show(core, now, poster) {
    const jobs = Object.values(core.finished).reduce((sum, each) => sum + each, 0);
    const busy = core.state === "working" || core.state === "sending";
    this.element.dataset.state = core.state;
    this.#bar.max = core.total;
    this.#bar.value = busy ? core.done : 0;
    write(this.#badge, `${count(jobs, "job")} done`);
    write(this.#text, coreSentence(core, now));
    write(this.#note, core.note);
    this.#showBrush(busy ? frame(poster, core.number - 1) : undefined, poster);
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
   * @param {HTMLElement} brushes what lies over the picture
   * @param {Parameters} poster
   */
  constructor(list, brushes, poster) {
    this.#list = list;
    this.#brushes = brushes;
    this.#poster = poster;
  }

  /**
   * @param {Core[]} cores
   * @param {number} now
   */
  show(cores, now) {
    if (this.#cards.length !== cores.length) {
      this.#cards = cores.map((_, index) => new Card(index));
      this.#list.replaceChildren(...this.#cards.map((card) => card.element));
      this.#brushes.replaceChildren(...this.#cards.map((card) => card.brush));
    }
    this.#cards.forEach((card, index) => {
      const core = cores[index];
      if (core) card.show(core, now, this.#poster);
    });
  }
}
