// Linking another device, so that both count as one volunteer: the new device shows a code, and the volunteer
// types it on the other one.

import { make, write } from "./dom.js";

/**
 * @typedef {import("distcompute-client").Volunteer} Volunteer
 * @typedef {import("./words.js").Words} Words
 * @typedef {import("./words.js").Key} Key
 */

/** What is said for the errors of the client; `link.failed` for all others. @type {Record<string, Key>} */
const sentences = {
  no_key: "link.no_key",
  link_code_unknown: "link.unknown",
  link_refused: "link.refused",
};

export class Link {
  #code = make("output", { id: "link-code", part: "code" });
  #input = make("input", {
    id: "link-input",
    maxlength: 24,
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
    part: "field",
  });
  #said = make("p", { id: "link-said", class: "note", role: "status" });
  #show;
  #send;
  #volunteer;
  #words;
  /** Says again in another language what was said last. @type {(words: Words) => string} */
  #text = () => "";
  element;

  /**
   * @param {import("./dom.js").Labels} labels
   * @param {Words} words
   * @param {() => Volunteer | undefined} volunteer
   */
  constructor(labels, words, volunteer) {
    this.#words = words;
    this.#volunteer = volunteer;
    /** @type {(id: string, key: Key) => HTMLButtonElement} */
    const button = (id, key) =>
      make("button", { id, type: "button", part: "button" }, labels.text(key));
    this.#show = button("link-show", "link.show");
    this.#send = button("link-send", "link.send");
    this.element = make(
      "details",
      { id: "link" },
      make("summary", {}, labels.text("link")),
      make("p", { class: "note" }, labels.text("link.note")),
      make("div", { class: "buttons" }, this.#show, this.#code),
      this.#said,
      make("label", { for: "link-input" }, labels.text("link.input")),
      make("div", { class: "buttons" }, this.#input, this.#send),
    );
    labels.add((words) => {
      this.#words = words;
      this.#say(this.#text);
    });
    this.#show.addEventListener("click", () => this.#offer());
    this.#send.addEventListener("click", () => this.#link());
    this.element.addEventListener("keydown", (event) => {
      // Enter in the settings around this would start the work.
      event.stopPropagation();
      if (event.key === "Enter" && event.target === this.#input && !event.isComposing) this.#link();
    });
    // Not one of the settings.
    this.element.addEventListener("input", (event) => event.stopPropagation());
  }

  #offer() {
    return this.#ask(async (volunteer) => {
      const { code, expiresAt } = await volunteer.linkCode();
      write(this.#code, code);
      return (words) => words.text("link.code", { time: words.timeOfDay(expiresAt) });
    });
  }

  #link() {
    const code = this.#input.value.trim();
    if (code === "") return this.#input.focus();
    return this.#ask(async (volunteer) => {
      await volunteer.link(code);
      this.#input.value = "";
      return (words) => words.text("link.done");
    });
  }

  /** @param {(volunteer: Volunteer) => Promise<(words: Words) => string>} call what it asks, and what is said then */
  async #ask(call) {
    const volunteer = this.#volunteer();
    // The client is still being loaded, or the page is set up wrongly, as the sentence above says.
    if (!volunteer || this.#show.disabled) return;
    this.#show.disabled = this.#send.disabled = true;
    write(this.#code, "");
    this.#say((words) => words.text("link.busy"));
    try {
      this.#say(await call(volunteer));
    } catch (error) {
      const key = sentences[Object(error).code] ?? "link.failed";
      this.#say((words) => words.text(key));
    }
    this.#show.disabled = this.#send.disabled = false;
  }

  /** @param {(words: Words) => string} text */
  #say(text) {
    this.#text = text;
    write(this.#said, text(this.#words));
  }
}
