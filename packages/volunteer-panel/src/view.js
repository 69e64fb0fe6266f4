// What is inside the panel's shadow root, and how it shows a status.

import { Cards } from "./cards.js";
import { Counts } from "./counts.js";
import { Labels, make, write } from "./dom.js";
import { Form } from "./form.js";
import { advice, isBusy, statusSentence } from "./sentence.js";

/**
 * @typedef {import("distcompute-client").VolunteerStatus} Status
 * @typedef {import("./sentence.js").Context} Context
 * @typedef {import("./words.js").Words} Words
 */

/** What volunteers should know. Each key has a title, too. */
const facts = /** @type {const} */ (["wish", "power", "phone", "privacy"]);

export class View {
  #labels = new Labels();
  #cards = new Cards(this.#labels);
  #counts = new Counts(this.#labels);
  #status = make("p", { id: "status", part: "sentence", "aria-hidden": "true" });
  #spoken = make("p", { id: "status-spoken", class: "spoken", role: "status" });
  #advice = make("p", { id: "advice", class: "note" });
  #main;
  /** What the project says for itself, hidden where it says nothing. */
  #own;
  #slots;
  form;
  element;

  /**
   * @param {Words} words
   * @param {import("./form.js").Listeners} listeners
   */
  constructor(words, listeners) {
    this.form = new Form(this.#labels, words, listeners);
    const project = make("slot", {});
    const about = make("slot", { name: "about" });
    this.#own = make("div", { class: "own", hidden: true }, about);
    this.#main = make(
      "div",
      { class: "main" },
      make("div", { class: "side" }, this.form.element, this.#counts.element),
      make(
        "div",
        { class: "show" },
        make("div", { class: "project" }, project),
        this.#cards.element,
      ),
    );
    this.element = make(
      "div",
      { class: "panel", part: "panel" },
      make("div", { class: "state", part: "state" }, this.#status, this.#spoken, this.#advice),
      this.#main,
      this.#about(),
    );
    this.#slots = [...this.element.querySelectorAll("slot")];
    const look = () => {
      this.#main.classList.toggle("alone", project.assignedElements().length === 0);
      this.#own.hidden = about.assignedElements().length === 0;
    };
    // The event bubbles.
    this.element.addEventListener("slotchange", look);
    this.#main.classList.add("alone");
    this.translate(words, "ltr");
  }

  #about() {
    const text = this.#labels.text.bind(this.#labels);
    return make(
      "section",
      { class: "about", part: "about", "aria-labelledby": "about-title" },
      make("h2", { id: "about-title", part: "title" }, text("about")),
      this.#own,
      make(
        "ul",
        {},
        ...facts.map((fact) => {
          const title = make("strong", {}, text(`about.${fact}.title`));
          return make(
            "li",
            {},
            title,
            this.#labels.of((words) => words.text("between")),
            text(`about.${fact}`),
          );
        }),
      ),
    );
  }

  /**
   * @param {Words} words
   * @param {string} direction the direction of the page around the panel, which slotted content keeps
   */
  translate(words, direction) {
    this.element.lang = words.locale;
    this.element.dir = words.isRightToLeft ? "rtl" : "ltr";
    for (const slotted of [this.#own, ...this.#slots]) slotted.dir = direction;
    this.#labels.translate(words);
  }

  /**
   * Shows a sentence where there is no status.
   *
   * @param {string} sentence
   * @param {string} more
   * @param {"loading" | "failed"} state
   */
  say(sentence, more, state) {
    this.element.dataset.state = state;
    write(this.#status, sentence);
    write(this.#spoken, sentence);
    write(this.#advice, more);
  }

  /**
   * @param {Status} status
   * @param {readonly string[]} stages
   * @param {Context} context
   */
  show(status, stages, context) {
    const { words, finished, begun, wanted } = context;
    write(this.#status, statusSentence(status, context));
    write(this.#spoken, statusSentence(status, { ...context, countdown: false }));
    write(this.#advice, advice(status, words));
    this.element.dataset.state = finished && !isBusy(status) ? "finished" : status.state;
    // While another tab computes, the buttons control that tab, so they follow its status.
    const { state, reason } = status.elsewhere ?? status;
    this.form.showButtons({
      wanted,
      startable: finished === "",
      runs: reason.code !== "stopped" && reason.code !== "failed",
      isStopping: state === "stopping",
      isPaused: reason.code === "paused",
    });
    this.#counts.show(status, stages, words);
    // All counters are zero before the first job.
    const hasCounts = begun || status.computeMs > 0 || status.state === "elsewhere";
    this.#counts.element.hidden = !hasCounts;
    this.#cards.show(status, words);
  }
}
