// Typed helpers to create and update elements.

/**
 * Creates an element with attributes and children. Text is never parsed as markup.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number | boolean>} attributes `true` sets an empty attribute, and `false`
 *   none
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/**
 * Sets an element's text, unless it is the same already: an assignment would make screen readers
 * announce it again and the browser draw it again.
 *
 * @param {HTMLElement} target
 * @param {string} text
 */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Texts that change only with the language.
 *
 * @typedef {import("./words.js").Key} Key
 */
export class Labels {
  /** @type {((words: import("./words.js").Words) => void)[]} */
  #writers = [];

  /**
   * A text node of a key.
   *
   * @param {Key} key
   */
  text(key) {
    return this.of((words) => words.text(key));
  }

  /**
   * A text node of what `text` returns.
   *
   * @param {(words: import("./words.js").Words) => string} text
   */
  of(text) {
    const node = document.createTextNode("");
    this.#writers.push((words) => (node.data = text(words)));
    return node;
  }

  /**
   * Calls `write` for each language.
   *
   * @param {(words: import("./words.js").Words) => void} write
   */
  add(write) {
    this.#writers.push(write);
  }

  /** @param {import("./words.js").Words} words */
  translate(words) {
    for (const write of this.#writers) write(words);
  }
}
