// The element: its attributes and properties, and the volunteer behind it.

import { Awake } from "./awake.js";
import * as memory from "./settings.js";
import { starter } from "./spawn.js";
import { styleSheet } from "./style.js";
import { View } from "./view.js";
import { Words, loadWords } from "./words.js";

/**
 * @typedef {import("distcompute-client").Volunteer} Volunteer
 * @typedef {import("distcompute-client").VolunteerStatus} Status
 */

/** How often the sentence is written, in milliseconds: it contains countdowns. */
const tickMs = 1000;

/** After what time the client's WebAssembly is tried again, in milliseconds, before a random addition. */
const retryMs = 4000;

// Servers that render pages import this file, too, and have no elements.
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

export class DistcomputeVolunteer extends Base {
  static observedAttributes = ["tracker", "stage", "worker", "finished", "lang"];

  #words = Words.english;
  #storage = memory.browserStorage();
  #hardware = navigator.hardwareConcurrency;
  #settings = memory.readSettings(this.#storage, this.#hardware);
  #awake = new Awake();
  #view = new View(this.#words, {
    start: () => this.#start(),
    stop: () => this.#stop(),
    finish: () => this.#volunteer?.stop({ finish: true }),
    resume: () => this.#volunteer?.resume(),
    pause: (ms) => this.#volunteer?.pause(ms),
    changed: () => this.#change(),
    renamed: () => this.#rename(),
    awakeChanged: () => this.#show(),
    forget: () => this.#forget(),
    volunteer: () => this.#volunteer,
  });
  /** @type {ShadowRoot} */
  #root;
  /** @type {typeof import("distcompute-client") | undefined} */
  #client;
  /** @type {Volunteer | undefined} */
  #volunteer;
  /** What `#volunteer` was made of. A volunteer's tracker and stages are fixed. */
  #made = "";
  /** @type {import("distcompute-client").VolunteerLimits | undefined} */
  #limits;
  /** @type {(() => Worker) | undefined} */
  #spawn;
  /** Whether Start was pressed before the client was loaded. */
  #pressed = false;
  /** Whether Start was ever pressed in this tab. */
  #begun = false;
  /** Whether this tab computes, or waits until it can take over from another tab. */
  #wanted = false;
  /** What is shown while there is no volunteer. @type {import("./words.js").Key} */
  #obstacle = "loading";
  /** What is wrong with the options, for the owner of the page. */
  #problem = "";
  /** The error of which the page was notified last. */
  #reported = "";
  #isOpen = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;
  /** Counts the languages that were asked for: only the latest one is shown. */
  #translations = 0;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [styleSheet()];
    // Until the words are there, what the page has put in for that time is shown.
    const loading = document.createElement("slot");
    loading.name = "loading";
    this.#root.append(loading);
    this.#view.form.fill(this.#settings, this.#hardware);
    this.#view.form.showMissing({
      storage: this.#storage !== undefined,
      wakeLock: Awake.isPossible,
    });
  }

  /** The volunteer. Null until the client is loaded, and another one after a change of its options. */
  get volunteer() {
    return this.#volunteer ?? null;
  }

  get tracker() {
    return this.getAttribute("tracker") ?? "";
  }

  set tracker(address) {
    this.setAttribute("tracker", address);
  }

  get stage() {
    return this.getAttribute("stage") ?? "a";
  }

  set stage(letters) {
    this.setAttribute("stage", letters);
  }

  get worker() {
    return this.getAttribute("worker") ?? "./worker.js";
  }

  set worker(address) {
    this.setAttribute("worker", address);
  }

  /** The sentence for a project that has nothing left to do. Empty before that. */
  get finished() {
    return this.getAttribute("finished") ?? "";
  }

  set finished(sentence) {
    if (sentence) this.setAttribute("finished", sentence);
    else this.removeAttribute("finished");
  }

  /** The project's limits, as `new Volunteer` takes them. */
  get limits() {
    return this.#limits;
  }

  set limits(limits) {
    this.#limits = limits;
    this.#renewIfIdle();
  }

  /** Starts a worker in place of the attribute `worker`, for pages whose bundler has to see the call. */
  get spawn() {
    return this.#spawn;
  }

  set spawn(spawn) {
    this.#spawn = spawn;
    this.#renewIfIdle();
  }

  connectedCallback() {
    this.#adoptProperties();
    // Moving an element within its page removes it and adds it again, which must not end the work.
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#ticking = setInterval(() => this.#show(), tickMs);
    this.#translate();
    this.#open();
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (!this.isConnected) this.#close();
    });
  }

  /** @type {(name: string, before: string | null, value: string | null) => void} */
  attributeChangedCallback(name, before, value) {
    if (!this.#isOpen || before === value) return;
    if (name === "lang") this.#translate();
    else if (name === "finished") this.#end();
    else this.#renewIfIdle();
  }

  /** Properties that were set before the element was defined hide those of the class. */
  #adoptProperties() {
    const own = Object(this);
    for (const name of ["tracker", "stage", "worker", "finished", "limits", "spawn"]) {
      if (!Object.hasOwn(own, name)) continue;
      const value = own[name];
      delete own[name];
      own[name] = value;
    }
  }

  /** Shows the panel in the language of its attribute, or else of the browser. */
  async #translate() {
    this.#translations += 1;
    const number = this.#translations;
    const wanted = [...(this.lang ? [this.lang] : []), ...navigator.languages];
    // The file of a language cannot be loaded: English is always there.
    const words = await loadWords(wanted).catch(() => Words.english);
    if (number !== this.#translations) return;
    this.#words = words;
    this.#view.translate(words, getComputedStyle(this).direction);
    this.#show();
    if (!this.#view.element.isConnected) this.#root.replaceChildren(this.#view.element);
  }

  /** Loads the client, however long that takes. */
  async #open() {
    try {
      this.#client ??= await import("distcompute-client");
    } catch (error) {
      return this.#cannot("loading.failed", error);
    }
    for (let isLoaded = false; !isLoaded;) {
      try {
        await this.#client.default();
        isLoaded = true;
      } catch (error) {
        this.#cannot("loading.again", error);
        const ms = retryMs * (1 + Math.random());
        await new Promise((resolve) => setTimeout(resolve, ms));
      }
      if (!this.#isOpen) return;
    }
    if (this.#volunteer) return;
    this.#renew();
    if (this.#pressed) this.#start();
  }

  #close() {
    this.#isOpen = false;
    clearInterval(this.#ticking);
    this.#awake.want(false);
    this.#volunteer?.free();
    this.#volunteer = undefined;
    this.#wanted = this.#begun = this.#pressed = false;
    this.#obstacle = "loading";
  }

  get #stages() {
    return this.stage.split(/[\s,]+/).filter(Boolean);
  }

  get #nickname() {
    // No tracker stores U+0000.
    return this.#settings.nickname.replaceAll("\0", "") || "anonymous";
  }

  /** What a volunteer is made of, as text. */
  get #options() {
    const { tracker, stage, worker } = this;
    return JSON.stringify([tracker, stage, worker, this.#limits]);
  }

  /** Makes a volunteer of the present options, in place of the one before. */
  #renew() {
    const { Volunteer } = /** @type {typeof import("distcompute-client")} */ (this.#client);
    this.#volunteer?.free();
    this.#volunteer = undefined;
    this.#made = this.#options;
    try {
      if (!this.tracker) {
        throw wrong('The element has no attribute "tracker". Write tracker="…" with its address.');
      }
      const joinKey = keyOf(location.hash);
      const volunteer = new Volunteer({
        url: addressOf(this.tracker, "tracker").href,
        // The client checks the letters, and says what is wrong with them.
        stages: /** @type {any} */ (this.#stages),
        nickname: this.#nickname,
        spawn: this.#spawn ?? starter(addressOf(this.worker, "worker")),
        settings: memory.volunteerSettings(this.#settings),
        limits: this.#limits,
        ...(joinKey && { joinKey }),
      });
      this.#volunteer = volunteer;
      this.#reported = "";
      volunteer.subscribe(() => this.#changed());
    } catch (error) {
      this.#cannot("loading.wrong", error);
    }
  }

  #renewIfIdle() {
    if (!this.#isOpen || !this.#client || this.#wanted) return;
    // Before the client has been loaded, there is nothing to replace.
    if (this.#made !== "") this.#renew();
  }

  #start() {
    if (!this.#client || this.#made === "") {
      this.#pressed = true;
      this.#view.form.showPressed();
      return this.#show();
    }
    if (this.#made !== this.#options) this.#renew();
    if (!this.#volunteer) return;
    this.#rename();
    const isFocused = this.#root.activeElement !== null;
    this.#begun = this.#wanted = true;
    this.#pressed = false;
    this.#volunteer.start();
    this.#changed();
    // The focus must not be taken from the page.
    if (isFocused) this.#view.form.focusStop();
  }

  #stop() {
    this.#pressed = false;
    this.#volunteer?.stop();
  }

  /** The project has nothing left to do, or has something again. */
  #end() {
    if (this.finished && this.#wanted) this.#volunteer?.stop();
    this.#show();
  }

  #change() {
    this.#settings = this.#view.form.read(this.#settings);
    memory.writeSettings(this.#storage, this.#settings);
    this.#volunteer?.set(memory.volunteerSettings(this.#settings));
    this.#show();
  }

  #rename() {
    this.#volunteer?.set({ nickname: this.#nickname });
  }

  async #forget() {
    const { form } = this.#view;
    form.sayForgotten(this.#words.text("forget.busy"));
    try {
      await this.#volunteer?.forget();
    } catch {
      return form.sayForgotten(this.#words.text("forget.failed"));
    }
    memory.forgetSettings(this.#storage);
    this.#settings = memory.readSettings(this.#storage, this.#hardware);
    form.fill(this.#settings, this.#hardware);
    this.#begun = this.#wanted = false;
    if (this.#client) this.#renew();
    form.sayForgotten(this.#words.text("forget.done"));
    this.#show();
  }

  /** The volunteer's status has changed. */
  #changed() {
    const status = this.#volunteer?.status;
    if (!status) return;
    this.#show();
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
    const { error } = status;
    if (error) this.#report(error);
    else this.#reported = "";
  }

  /**
   * There can be no volunteer yet, or none of these options.
   *
   * @param {import("./words.js").Key} obstacle
   * @param {unknown} error
   */
  #cannot(obstacle, error) {
    this.#obstacle = obstacle;
    const { name, code, message } = Object(error);
    this.#problem = obstacle === "loading.wrong" ? String(message ?? error) : "";
    this.#report({
      name: String(name ?? "Error"),
      code: String(code ?? "not_loaded"),
      message: String(message ?? error),
    });
    this.#show();
  }

  /**
   * Dispatches an error once, however many statuses contain it.
   *
   * @param {{ name: string, code: string, message: string }} error
   */
  #report(error) {
    const text = `${error.code} ${error.message}`;
    if (text === this.#reported) return;
    this.#reported = text;
    this.dispatchEvent(new CustomEvent("error", { detail: error }));
  }

  #show() {
    const status = this.#volunteer?.status;
    if (!status) {
      const isLoading = this.#obstacle === "loading" || this.#obstacle === "loading.again";
      const key = this.#pressed && isLoading ? "loading.pressed" : this.#obstacle;
      return this.#view.say(this.#words.text(key), this.#problem, isLoading ? "loading" : "failed");
    }
    const { code } = status.reason;
    if (code === "stopped" || code === "failed") this.#wanted = false;
    this.#view.show(status, this.#stages, {
      words: this.#words,
      finished: this.finished,
      begun: this.#begun,
      wanted: this.#wanted,
      now: Date.now(),
    });
    this.#awake.want(this.#view.form.isAwakeWanted && isRunning(status));
    // The settings were changed in another tab, or by the page.
    if (!memory.isSame(status.settings, memory.volunteerSettings(this.#settings))) {
      this.#settings = memory.withVolunteer(this.#settings, status.settings);
      this.#view.form.fill(this.#settings, this.#hardware);
    }
  }
}

/** @param {Status} status */
function isRunning(status) {
  const { code } = (status.elsewhere ?? status).reason;
  return code !== "stopped" && code !== "failed";
}

/**
 * The join key of a project that is not for everybody, from the fragment of the page's address, which no log has.
 * What is no key, such as a half of one, is ignored: the project's refusal explains what is missing.
 *
 * @param {string} fragment
 */
function keyOf(fragment) {
  const key = new URLSearchParams(fragment.slice(1)).get("key") ?? "";
  return /^[\w.~-]{16,128}$/.test(key) ? key : undefined;
}

/**
 * @param {string} text an address, relative to the page's
 * @param {string} attribute
 */
function addressOf(text, attribute) {
  try {
    return new URL(text, document.baseURI);
  } catch {
    throw wrong(`The attribute "${attribute}" is not an address: ${text}`);
  }
}

/** @param {string} message */
function wrong(message) {
  return Object.assign(new Error(message), {
    name: "InvalidArgumentError",
    code: "invalid_argument",
  });
}
