// The part of `Volunteer` that must be JavaScript: the class, which says before the wasm is loaded
// what is missing and is not swept away while its workers run, and the calls of what the page may
// have replaced or the browser may not have. No rule belongs here.

import { compiledWasm, makeError, open, say } from "./face.js";
import { within } from "./limit.js";
import { forget } from "./storage.js";

/** How long what a page can do without may take, in milliseconds. */
const limits = { lock: 5_000, idle: 60_000, letGo: 30_000 };

export class Volunteer {
  #page = new Page();

  constructor(options) {
    this.#page.tell = open(options, this.#page);
    this.#page.listen();
    // Stores and event listeners are handed the bare functions.
    for (const name of unbound) this[name] = this[name].bind(this);
  }

  get status() {
    return this.#page.status();
  }

  subscribe(listener) {
    return this.#page.subscribe(listener);
  }

  start() {
    this.#page.say("start");
  }

  pause(forMs) {
    this.#page.say("pause", forMs);
  }

  resume() {
    this.#page.say("resume");
  }

  stop(options) {
    this.#page.say("stop", options);
  }

  set(settings) {
    this.#page.say("set", settings);
  }

  async forget() {
    await this.#page.forget();
  }

  free() {
    this.#page.listeners.clear();
    this.#page.tell("free");
  }
}

const unbound = ["subscribe", "start", "pause", "resume", "stop", "set", "forget"];

if (Symbol.dispose) Volunteer.prototype[Symbol.dispose] = Volunteer.prototype.free;

/** What `work` gives, or nothing where it throws. */
function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Freezes what a message may hold: also what is in itself, and what cannot be frozen. */
function freeze(value) {
  if (Object.isFrozen(value)) return value;
  attempt(() => Object.freeze(value));
  Object.values(value).forEach(freeze);
  return value;
}

/** Whether two messages hold the same; where that cannot be told, they do not. */
function isSame(one, other) {
  return attempt(() => JSON.stringify(one) === JSON.stringify(other)) === true;
}

/** What an error, or whatever was thrown, says of itself. */
const said = (error) => attempt(() => String(error?.message ?? error)) ?? "";

/** What the orders to a hub carry. */
const carries = { died: "core", pause: "until", stop: "finish", settings: "settings" };

/** A page: tells what happens to it, and does what it is told. */
class Page {
  /**
   * Replaced when the wasm listens, and again when it does not any more.
   *
   * @type {(what: string, a?: unknown, b?: unknown) => unknown}
   */
  tell = Object;
  workers = new Map();
  listeners = new Set();
  idlers = [];
  ended = new AbortController();
  requests = [];
  /** The workers that were made compute workers, and their places. */
  computing = new Map();
  /** What other tabs say of themselves, and what the rules say over what the hub says. */
  there = {};
  over = [];

  perform(what, ...given) {
    return attempt(() => this[what](...given));
  }

  cores() {
    return Number(navigator.hardwareConcurrency) || 1;
  }

  open(spawn, setup, blank) {
    this.make = spawn;
    this.setup = { ...setup, instance: "" };
    this.blank = blank;
    this.settings = blank.settings;
    this.name = "distcompute " + setup.url;
  }

  listen() {
    const look = () => this.look();
    attempt(() => this.on(document, "visibilitychange", look));
    attempt(() => this.on(globalThis, "pagehide", () => this.leave()));
    attempt(() => this.on(globalThis, "pageshow", (e) => e.persisted && this.tell("returned")));
    attempt(() =>
      /** @type {any} */ (navigator).getBattery().then((battery) => {
        this.battery = battery;
        this.on(battery, "chargingchange", look);
        look();
      }, Object),
    );
    this.tune();
    look();
  }

  /** Listens to the other tabs. */
  tune() {
    attempt(() => {
      const channel = new BroadcastChannel(this.name);
      this.channel = channel;
      // Asked before the message is looked at: a browser may unpack it only then.
      const heard = (event) => {
        if (this.channel !== channel) return;
        const closed = this.tell("message");
        if (typeof closed === "number") this.hangUp(closed);
        else this.hear(Object(event.data));
      };
      this.on(channel, "message", (event) => attempt(() => heard(event)));
      this.post({ t: "hello" });
    });
  }

  /** Somebody floods the channel: a closed one takes no thread. */
  hangUp(ms) {
    this.channel.close();
    this.channel = undefined;
    setTimeout(() => this.ended.signal.aborted || this.tune(), ms);
  }

  on(target, type, listener) {
    target.addEventListener(type, listener, { signal: this.ended.signal });
  }

  leave() {
    const { instance } = this.setup;
    attempt(() => instance && sessionStorage.setItem(this.name, instance));
    this.tell("left");
  }

  /**
   * Without locks each tab keeps what is its own, and finds it again after a reload. It takes its
   * mark out while it lives: a copy of the tab must not find it.
   */
  mark() {
    this.setup.instance ||= attempt(() => sessionStorage.getItem(this.name)) ?? "#" + Math.random();
    attempt(() => sessionStorage.removeItem(this.name));
  }

  /** What the volunteer says here goes for all tabs. */
  say(word, given) {
    this.tell(word, given);
    this.post({ t: "word", word, given });
  }

  post(message) {
    attempt(() => {
      const channel = this.channel ?? new BroadcastChannel(this.name);
      channel.postMessage(message);
      if (channel !== this.channel) channel.close();
    });
  }

  hear({ t, status, word, given }) {
    if (t === "word") this.tell("heard", word, given);
    else if (t === "gone") this.tell("elsewhere", false);
    else if (t === "status") this.tell("there", status);
    else if (t === "hello") this.postStatus();
  }

  /** What another tab has said of itself, as far as it can be shown. */
  see(status) {
    if (isSame(this.there, status)) return;
    this.there = status;
    this.changed = true;
  }

  gone() {
    this.requests = [];
    this.post({ t: "gone" });
  }

  postStatus() {
    if (this.over[0]) this.post({ t: "status", status: this.status() });
  }

  look() {
    const around = this.surroundings();
    const seen = JSON.stringify(around);
    if (seen === this.seen) return;
    this.seen = seen;
    this.send(this.hub, { t: "surroundings", surroundings: around });
    this.tell("hidden", around.hidden);
  }

  surroundings() {
    return {
      hidden: attempt(() => document.hidden) === true,
      onBattery: this.battery ? !this.battery.charging : null,
      utcOffsetMin: -new Date().getTimezoneOffset(),
    };
  }

  ticks(on) {
    clearInterval(this.timer);
    if (!on) return;
    this.timer = setInterval(() => {
      this.look();
      attempt(() => this.askForHeirs());
      this.tell("tick");
    }, 1000);
  }

  askForHeirs() {
    // One question at a time: they may never be answered.
    if (this.asking) return;
    const isOurs = ({ name }) => name === this.name;
    const answer = ({ pending }) => this.tell("heirs", pending.some(isOurs));
    const over = () => (this.asking = false);
    this.asking = true;
    attempt(() => navigator.locks.query().then(answer).then(over, over)) ?? over();
  }

  lock(on) {
    this.release?.();
    this.release = undefined;
    if (!on) return;
    let released = false;
    const controller = new AbortController();
    /** @type {Promise<void>} */
    const held = new Promise((resolve) => {
      this.release = () => {
        released = true;
        clearTimeout(timer);
        controller.abort();
        resolve();
      };
    });
    let granted = false;
    const grant = () => {
      clearTimeout(timer);
      if (released) return undefined;
      // One that comes late is held all the same.
      if (!granted) {
        granted = true;
        this.tell("granted");
      }
      return held;
    };
    // Where locks are refused or do not answer, each tab computes, as where there are none.
    const refused = () => {
      if (!released && !granted) this.mark();
      return grant();
    };
    const timer = setTimeout(refused, limits.lock);
    const ask = (options, callback) =>
      navigator.locks.request(this.name, options, callback).catch(refused);
    const wait = (lock) => {
      clearTimeout(timer);
      if (lock || released) return grant();
      // Too late: this tab computes already.
      if (granted) return undefined;
      this.tell("taken");
      ask({ signal: controller.signal }, grant);
      return undefined;
    };
    if (!attempt(() => ask({ ifAvailable: true }, wait))) refused();
  }

  spawn(id) {
    let worker;
    const died = (error) => this.tell("died", id, said(error));
    try {
      worker = this.make();
      if (typeof worker?.terminate !== "function") return this.tell("useless", worker);
      const on = (type, listener) =>
        this.on(worker, type, (event) => this.workers.get(id) === worker && listener(event));
      on("message", ({ data }) => attempt(() => data.dc === 1 && this.receive(id, data)));
      on("error", ({ message }) => died(message ?? ""));
      on("messageerror", () => died("its message could not be read"));
      this.workers.set(id, worker);
    } catch (error) {
      attempt(() => worker.terminate());
      died("spawn threw: " + said(error));
    }
  }

  receive(id, { t, status, want, core, requests, error, message }) {
    if (t === "ready") this.tell(t, id);
    else if (t === "error") this.tell("died", id, message);
    const number = want ?? core;
    if (id !== this.hub || (["cores", "replace"].includes(t) && !Number.isSafeInteger(number)))
      return;
    if (t === "farewell") this.requests = requests;
    else if (t === "fatal") this.fatal = error;
    else if (t === "status" && !isSame(this.latest, status)) {
      this.latest = this.counted = status;
      this.complain(status.lastError ?? status.error);
      this.changed = true;
    }
    this.tell("hub:" + t, id, number);
  }

  end(id) {
    const worker = this.workers.get(id);
    this.workers.delete(id);
    this.computing.delete(id);
    worker?.terminate();
  }

  send(id, message, ports = []) {
    attempt(() => this.workers.get(id)?.postMessage({ dc: 1, ...message }, ports));
  }

  lead(id) {
    this.hub = id;
    const { settings, setup } = this;
    const surroundings = this.surroundings();
    // Those that worked for the hub before will say at what.
    const cores = [...this.computing.values()];
    const before = this.latest?.cores;
    const wasm = compiledWasm();
    this.send(id, {
      t: "hub",
      wasm,
      setup: { ...setup, settings, surroundings, cores, before, counted: this.counted },
    });
  }

  /** Counters count since the start; a hub that follows another one goes on with its counts. */
  recount() {
    this.counted = undefined;
  }

  connect(hub, worker, core) {
    const { port1, port2 } = new MessageChannel();
    this.computing.set(worker, core);
    this.send(worker, { t: "compute", port: port1, core, wasm: compiledWasm() }, [port1]);
    this.send(hub, { t: "core", port: port2, core }, [port2]);
  }

  order(id, t, given = this.settings, message) {
    this.send(id, carries[t] ? { t, [carries[t]]: given, message } : { t });
  }

  keep(settings) {
    this.settings = settings;
  }

  /** The first thing that goes wrong goes to the console, for whoever writes the handler. */
  complain(error) {
    if (!error || this.complained) return;
    this.complained = true;
    const job = error.job === undefined ? "" : `job ${error.job} failed: ${error.name}: `;
    say(`distcompute: ${job}${error.message}`);
  }

  /** Requests of a page outlive it, where those of a worker often do not. */
  farewell() {
    const headers = { "content-type": "application/json" };
    for (const { url, body } of this.requests) {
      // What carries a token follows no redirect.
      /** @type {RequestInit} */
      const options = { method: "POST", keepalive: true, redirect: "error", headers, body };
      attempt(() => fetch(url, options).catch(Object));
    }
  }

  /** Whether there is anything new since it was asked before. */
  view(...over) {
    if (!over[0]) this.idlers.splice(0).forEach((resolve) => resolve());
    const seen = JSON.stringify([over, this.settings]);
    this.viewed ??= seen;
    const changed = this.changed || seen !== this.viewed;
    if (changed) this.current = undefined;
    this.viewed = seen;
    this.over = over;
    this.changed = false;
    return changed;
  }

  status() {
    this.current ??= freeze(this.made());
    return this.current;
  }

  made() {
    const [computes, state, reason, problem] = this.over;
    const isElsewhere = state === "elsewhere";
    const base = isElsewhere ? this.there : this.latest;
    const elsewhere = isElsewhere ? { state: base.state, reason: base.reason } : null;
    const status = { ...this.blank, ...base, settings: this.settings, elsewhere };
    if (!isElsewhere && !computes) status.cores = [];
    if (!state) return status;
    const error = { name: "WorkerError", code: "worker_failed", message: problem };
    const fatal = reason.code === "failed" ? this.fatal : null;
    return { ...status, state, reason, error: problem ? error : fatal };
  }

  subscribe(listener) {
    if (typeof listener !== "function") {
      const message = "subscribe takes a function.";
      throw makeError("InvalidArgumentError", "invalid_argument", message);
    }
    // Not the function itself, which may be given twice.
    const entry = { listener };
    this.listeners.add(entry);
    this.showTo(entry);
    return () => void this.listeners.delete(entry);
  }

  show() {
    this.postStatus();
    for (const entry of [...this.listeners]) this.showTo(entry);
  }

  showTo({ listener }) {
    try {
      listener(this.status());
    } catch (error) {
      attempt(() => reportError(error));
    }
  }

  later(ms) {
    setTimeout(() => this.tell("later"), ms);
  }

  /** Once no tab computes. */
  async forget() {
    try {
      const idle = new Promise((resolve) => this.idlers.push(resolve));
      this.say("stop");
      await within(idle, limits.idle);
      const signal = attempt(() => AbortSignal.timeout(limits.letGo));
      const free = navigator.locks?.request(this.name, { signal }, Object);
      await within(Promise.resolve(free), limits.letGo + 1_000);
      await forget(this.setup.url + this.setup.instance);
    } catch (error) {
      const message =
        "What this browser keeps could not be deleted. Close its other tabs of this project and " +
        "try again.";
      throw makeError("TimeoutError", "timeout", message, undefined, error);
    }
  }

  close() {
    this.tell = Object;
    this.ended.abort();
    this.channel?.close();
  }
}
