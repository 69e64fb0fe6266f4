// What this browser has done: the counts of a visit.

import { make, write } from "./dom.js";
import { connection } from "./sentence.js";

/**
 * @typedef {import("distcompute-client").VolunteerStatus} Status
 * @typedef {import("./words.js").Words} Words
 * @typedef {import("./words.js").Key} Key
 */

/** The counts in their order. A count without a text is not shown. */
const rows = /** @type {const} */ ([
  ["unconfirmed", (/** @type {Status} */ status) => unlessZero(status.jobsUnconfirmed)],
  ["invalid", (/** @type {Status} */ status) => unlessZero(status.jobsInvalid)],
  ["failed", (/** @type {Status} */ status) => unlessZero(status.jobsFailed)],
  ["rejected", (/** @type {Status} */ status) => unlessZero(status.jobsRejected)],
  [
    "time",
    (/** @type {Status} */ status, /** @type {Words} */ words) => words.duration(status.computeMs),
  ],
  ["waiting", (/** @type {Status} */ status) => status.waiting],
  [
    "sent",
    (/** @type {Status} */ status, /** @type {Words} */ words) => words.size(status.bytesSent),
  ],
  [
    "received",
    (/** @type {Status} */ status, /** @type {Words} */ words) => words.size(status.bytesReceived),
  ],
  ["connection", connection],
]);

/** @param {number} count */
const unlessZero = (count) => (count > 0 ? count : "");

/** A name and a number, which is hidden while it is empty. */
class Row {
  #name = make("dt", {});
  #value;
  element;

  /** @param {string} id */
  constructor(id) {
    this.#value = make("dd", { id });
    this.element = make("div", {}, this.#name, this.#value);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  show(name, value) {
    write(this.#name, name);
    write(this.#value, value);
    this.element.hidden = value === "";
  }
}

export class Counts {
  /** The rows of the jobs that are done, by stage. @type {Map<string, Row>} */
  #stages = new Map();
  #rows = rows.map(([id, value]) => ({ id, value, row: new Row(id) }));
  #list;
  element;

  /** @param {import("./dom.js").Labels} labels */
  constructor(labels) {
    this.#list = make("dl", { class: "counts" }, ...this.#rows.map(({ row }) => row.element));
    this.element = make(
      "section",
      { id: "record", class: "box", part: "box", "aria-labelledby": "record-title", hidden: true },
      make("h2", { id: "record-title", part: "title" }, labels.text("record")),
      this.#list,
    );
  }

  /**
   * @param {Status} status
   * @param {readonly string[]} stages the stages that the volunteer works at
   * @param {Words} words
   */
  show(status, stages, words) {
    // In the order in which jobs pass through them.
    const letters = [...stages].sort();
    if (letters.join() !== [...this.#stages.keys()].join()) {
      for (const { element } of this.#stages.values()) element.remove();
      this.#stages = new Map(letters.map((stage) => [stage, new Row(`done-${stage}`)]));
      this.#list.prepend(...[...this.#stages.values()].map(({ element }) => element));
    }
    for (const [stage, row] of this.#stages) {
      const name = status.stageNames[stage] ?? stage;
      const text =
        letters.length > 1
          ? words.text("record.stage", { stage: name })
          : words.text("record.done");
      row.show(text, words.number(status.jobsByStage[stage] ?? 0));
    }
    for (const { id, value, row } of this.#rows) {
      const shown = value(status, words);
      row.show(words.text(`record.${id}`), typeof shown === "number" ? words.number(shown) : shown);
    }
  }
}
