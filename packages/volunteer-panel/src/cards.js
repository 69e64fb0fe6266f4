// One card per core, which shows the core's job and its progress.

import { make, write } from "./dom.js";
import { coreRecord, coreSentence } from "./sentence.js";

/**
 * @typedef {import("distcompute-client").VolunteerStatus} Status
 * @typedef {import("distcompute-client").CoreStatus} Core
 * @typedef {import("./words.js").Words} Words
 */

class Card {
  #title;
  #number;
  #bar;
  #text = make("p", { class: "doing" });
  #note = make("p", { class: "note" });
  element;

  /** @param {number} place */
  constructor(place) {
    this.#number = place + 1;
    const id = `core-${this.#number}`;
    this.#title = make("h3", { id });
    this.#bar = make("progress", { "aria-labelledby": id, part: "bar" });
    const head = make("div", { class: "card-head" }, this.#title, this.#note);
    this.element = make("li", { class: "card", part: "card" }, head, this.#bar, this.#text);
  }

  /**
   * @param {Core} core
   * @param {Status["stageNames"]} names
   * @param {Words} words
   */
  show(core, names, words) {
    this.element.dataset.state = core.state;
    this.#bar.max = core.total || 1;
    this.#bar.value = core.done;
    write(this.#title, words.text("core", { number: this.#number }));
    write(this.#note, coreRecord(core, words));
    write(this.#text, coreSentence(core, names, words));
  }
}

export class Cards {
  /** @type {Card[]} */
  #cards = [];
  #list = make("ul", { id: "cards" });
  element;

  /** @param {import("./dom.js").Labels} labels */
  constructor(labels) {
    this.element = make(
      "section",
      { class: "cores", "aria-labelledby": "cores-title", hidden: true },
      make("h2", { id: "cores-title", part: "title" }, labels.text("cards")),
      this.#list,
    );
  }

  /**
   * @param {Pick<Status, "cores" | "stageNames">} status
   * @param {Words} words
   */
  show({ cores, stageNames }, words) {
    if (this.#cards.length !== cores.length) {
      this.#cards = cores.map(({ core }) => new Card(core));
      this.#list.replaceChildren(...this.#cards.map((card) => card.element));
    }
    this.#cards.forEach((card, index) => {
      const core = cores[index];
      if (core) card.show(core, stageNames, words);
    });
    this.element.hidden = cores.length === 0;
  }
}
