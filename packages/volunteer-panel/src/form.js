// The settings form: its fields and buttons, filled from the stored settings and read back.

import { make, write } from "./dom.js";
import { Link } from "./link.js";
import { clockMinutes, clockText } from "./settings.js";

/**
 * @typedef {import("./settings.js").Settings} Settings
 * @typedef {import("./words.js").Words} Words
 */

/** The lengths of a pause that the form offers, in minutes. */
const pauses = [30, 60, 120];

/**
 * What the form reports.
 *
 * @typedef {object} Listeners
 * @property {() => void} start
 * @property {() => void} stop
 * @property {() => void} finish
 * @property {() => void} resume
 * @property {(ms: number) => void} pause
 * @property {() => void} changed a setting was changed
 * @property {() => void} renamed the nickname was changed, and is complete
 * @property {() => void} awakeChanged
 * @property {() => void} forget "Forget me" was confirmed
 * @property {() => import("distcompute-client").Volunteer | undefined} volunteer the one that is linked to another
 *   device
 */

export class Form {
  #title = make("h2", { id: "join-title", part: "title", tabindex: -1 });
  #nickname = field({
    id: "nickname",
    maxlength: 128,
    autocomplete: "nickname",
    "aria-describedby": "nickname-note",
    part: "field",
  });
  #nicknameNote = make("p", { class: "note", id: "nickname-note" });
  #cores = field({ id: "cores", type: "range", min: 1, max: 1, value: 1, step: 1 });
  #coresText = make("output", { id: "cores-text", for: "cores" });
  #intensity = field({ id: "intensity", type: "range", min: 10, max: 100, value: 80, step: 10 });
  #intensityText = make("output", { id: "intensity-text", for: "intensity" });
  #battery = field({ id: "battery", type: "checkbox" });
  #background = field({ id: "background", type: "checkbox" });
  #mindHours = field({ id: "mind-hours", type: "checkbox" });
  #from = field({ id: "from", type: "time", part: "field" });
  #to = field({ id: "to", type: "time", part: "field" });
  #awake = field({ id: "awake", type: "checkbox" });
  #awakeRow;
  #start;
  #stop;
  #finish;
  #resume;
  #pause;
  #forget;
  #forgetQuestion;
  #forgetKeep;
  #forgotten = make("p", { id: "forgotten", class: "note", role: "status" });
  #unkept;
  #words;
  element;

  /**
   * @param {import("./dom.js").Labels} labels
   * @param {Words} words
   * @param {Listeners} listeners
   */
  constructor(labels, words, listeners) {
    this.#words = words;
    /** @type {(id: string, key: import("./words.js").Key, more?: Record<string, string | boolean>) => HTMLButtonElement} */
    const button = (id, key, more) =>
      make("button", { id, type: "button", part: "button", ...more }, labels.text(key));
    /** @type {(input: HTMLInputElement, key: import("./words.js").Key, ...more: Node[]) => HTMLLabelElement} */
    const check = (input, key, ...more) =>
      make("label", { class: "check" }, input, make("span", {}, labels.text(key), ...more));
    /** @type {(input: HTMLInputElement, key: import("./words.js").Key, ...more: (Node | string)[]) => HTMLLabelElement} */
    const label = (input, key, ...more) =>
      make("label", { for: input.id }, labels.text(key), ...more);

    this.#start = button("start", "start", { part: "button start" });
    this.#stop = button("stop", "stop", { hidden: true });
    this.#finish = button("finish", "finish", { hidden: true });
    this.#resume = button("resume", "resume", { hidden: true });
    this.#pause = make(
      "div",
      {
        id: "pause",
        class: "buttons pause",
        role: "group",
        "aria-labelledby": "pause-title",
        hidden: true,
      },
      make("span", { id: "pause-title" }, labels.text("pause")),
      ...pauses.map((minutes) => {
        const text = labels.of((words) => words.duration(minutes * 60_000));
        const made = make(
          "button",
          { id: `pause-${minutes}`, type: "button", part: "button" },
          text,
        );
        made.addEventListener("click", () => listeners.pause(minutes * 60_000));
        return made;
      }),
    );
    this.#title.append(labels.text("join"));
    this.#awakeRow = check(this.#awake, "awake");
    this.#awakeRow.id = "awake-row";
    this.#forget = button("forget", "forget");
    this.#forgetKeep = button("forget-not", "forget.keep");
    const forgetSure = button("forget-sure", "forget");
    this.#forgetQuestion = make(
      "div",
      { id: "forget-question", role: "group", "aria-labelledby": "forget-text", hidden: true },
      make("p", { id: "forget-text" }, labels.text("forget.question")),
      make("div", { class: "buttons" }, forgetSure, this.#forgetKeep),
    );
    this.#unkept = make("p", { class: "note", hidden: true }, labels.text("unkept"));
    const batteryNote = make("span", { class: "note" }, labels.text("battery.note"));

    // Not a form: in a sandboxed frame browsers submit none, and say nothing to the script.
    this.element = make(
      "div",
      { id: "settings" },
      make(
        "section",
        { class: "box join", part: "box", "aria-labelledby": "join-title" },
        this.#title,
        label(this.#nickname, "nickname"),
        this.#nickname,
        this.#nicknameNote,
        label(this.#cores, "cores", " ", this.#coresText),
        this.#cores,
        label(this.#intensity, "intensity", " ", this.#intensityText),
        this.#intensity,
        make(
          "div",
          { class: "buttons" },
          this.#start,
          this.#stop,
          this.#finish,
          make("slot", { name: "buttons" }),
        ),
        this.#pause,
        this.#resume,
        this.#unkept,
        make(
          "details",
          {},
          make("summary", {}, labels.text("more")),
          check(this.#battery, "battery", document.createTextNode(" "), batteryNote),
          check(this.#background, "background"),
          check(this.#mindHours, "hours"),
          make(
            "div",
            { class: "hours" },
            label(this.#from, "hours.from"),
            this.#from,
            label(this.#to, "hours.to"),
            this.#to,
          ),
          this.#awakeRow,
          this.#forget,
          this.#forgetQuestion,
          this.#forgotten,
        ),
        new Link(labels, words, listeners.volunteer).element,
      ),
    );
    labels.add((words) => {
      this.#words = words;
      this.#nickname.placeholder = words.text("nickname.none");
      write(this.#nicknameNote, words.text("nickname.note"));
      this.#updateTexts();
    });
    const start = () => {
      if (isShown(this.#start) && !this.#start.disabled) listeners.start();
    };
    this.#start.addEventListener("click", start);
    this.element.addEventListener("keydown", ({ target, key, isComposing }) => {
      if (key === "Enter" && !isComposing && target instanceof HTMLInputElement) start();
    });
    this.element.addEventListener("input", ({ target }) => {
      this.#updateTexts();
      if (target !== this.#awake) listeners.changed();
    });
    this.#nickname.addEventListener("change", listeners.renamed);
    this.#awake.addEventListener("change", listeners.awakeChanged);
    this.#stop.addEventListener("click", listeners.stop);
    this.#finish.addEventListener("click", listeners.finish);
    this.#resume.addEventListener("click", listeners.resume);
    this.#forget.addEventListener("click", () => this.#ask(true));
    this.#forgetKeep.addEventListener("click", () => this.#ask(false));
    forgetSure.addEventListener("click", () => {
      this.#ask(false);
      listeners.forget();
    });
  }

  /** @param {boolean} asking */
  #ask(asking) {
    this.#forget.hidden = asking;
    this.#forgetQuestion.hidden = !asking;
    (asking ? this.#forgetKeep : this.#forget).focus();
  }

  /** @param {string} text what became of "Forget me" */
  sayForgotten(text) {
    write(this.#forgotten, text);
  }

  /**
   * Says which of the browser's features are missing.
   *
   * @param {{ storage: boolean, wakeLock: boolean }} available
   */
  showMissing({ storage, wakeLock }) {
    this.#unkept.hidden = storage;
    this.#awakeRow.hidden = !wakeLock;
  }

  get isAwakeWanted() {
    return this.#awake.checked;
  }

  /**
   * @param {Settings} settings
   * @param {number | undefined} hardware the number of logical processors, if the browser reports it
   */
  fill(settings, hardware) {
    this.#cores.max = String(Math.max(1, hardware || 1));
    this.#nickname.value = settings.nickname;
    this.#cores.value = String(settings.cores);
    this.#intensity.value = String(settings.intensity);
    this.#battery.checked = settings.pauseOnBattery;
    this.#background.checked = settings.background;
    this.#mindHours.checked = settings.mindHours;
    this.#from.value = clockText(settings.hours.from);
    this.#to.value = clockText(settings.hours.to);
    this.#updateTexts();
  }

  /**
   * Reads the settings from the fields. A time field that is empty keeps its value in `before`.
   *
   * @param {Settings} before
   * @returns {Settings}
   */
  read(before) {
    return {
      nickname: this.#nickname.value.trim(),
      cores: Number(this.#cores.value),
      intensity: Number(this.#intensity.value),
      pauseOnBattery: this.#battery.checked,
      background: this.#background.checked,
      mindHours: this.#mindHours.checked,
      hours: {
        from: clockMinutes(this.#from.value) ?? before.hours.from,
        to: clockMinutes(this.#to.value) ?? before.hours.to,
      },
    };
  }

  /**
   * Shows the buttons that do something now.
   *
   * @param {object} now
   * @param {boolean} now.wanted whether Start was pressed
   * @param {boolean} now.startable whether Start would do something
   * @param {boolean} now.runs whether this tab or another one computes, or would if it could
   * @param {boolean} now.isStopping
   * @param {boolean} now.isPaused
   */
  showButtons({ wanted, startable, runs, isStopping, isPaused }) {
    const focused = rootOf(this.element)?.activeElement;
    const goes = runs && !isStopping;
    this.#start.hidden = wanted || !startable;
    this.#start.disabled = !startable;
    this.#stop.hidden = !runs;
    this.#finish.hidden = !goes;
    this.#pause.hidden = !goes || isPaused;
    this.#resume.hidden = !goes || !isPaused;
    this.#updateTexts();
    this.#keepFocus(focused ?? null);
  }

  /** Shows that Start was pressed, and that it is not possible yet. */
  showPressed() {
    this.#start.disabled = true;
  }

  /** Puts the keyboard focus on Stop, once Start has done its work. */
  focusStop() {
    this.#stop.focus();
  }

  /**
   * Moves the keyboard focus from a button that has just been hidden to the one that replaces it.
   *
   * @param {Element | null} focused
   */
  #keepFocus(focused) {
    if (!(focused instanceof HTMLButtonElement) || isShown(focused)) return;
    // At the end of a project there is no button any more: the keyboard goes on from here.
    ([this.#stop, this.#start].find(isShown) ?? this.#title).focus();
  }

  /** Updates the texts that depend on fields, and enables the time fields if they are in use. */
  #updateTexts() {
    const words = this.#words;
    const [count, all] = [Number(this.#cores.value), Number(this.#cores.max)];
    write(this.#coresText, words.text("cores.value", { count, all }));
    write(this.#intensityText, words.percent(Number(this.#intensity.value)));
    this.#from.disabled = this.#to.disabled = !this.#mindHours.checked;
  }
}

/** @param {Record<string, string | number>} attributes */
function field(attributes) {
  return make("input", attributes);
}

/** @param {HTMLElement} element */
function rootOf(element) {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root : undefined;
}

/** @param {HTMLElement} element */
function isShown(element) {
  return element.getClientRects().length > 0;
}
