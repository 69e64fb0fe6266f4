// The part of `Volunteer` that must be JavaScript: the class, which says before the wasm is loaded
// what is missing and is not swept away while its workers run, and the calls of what the page may
// have replaced or the browser may not have. No rule belongs here.

import { open } from "./face.js";

export class Volunteer {
  #tell;

  constructor(options) {
    this.#tell = open(options);
  }

  get status() {
    return this.#tell("view");
  }

  subscribe(listener) {
    return this.#tell("subscribe", listener);
  }

  start() {
    this.#tell("start");
  }

  pause(forMs) {
    this.#tell("pause", forMs);
  }

  resume() {
    this.#tell("resume");
  }

  stop(options) {
    this.#tell("stop", options);
  }

  set(settings) {
    this.#tell("set", settings);
  }

  async forget() {
    return this.#tell("forget");
  }

  free() {
    this.#tell("free");
  }
}

if (Symbol.dispose) Volunteer.prototype[Symbol.dispose] = Volunteer.prototype.free;

/** What `work` gives, or nothing where it throws. */
function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function freeze(value) {
  if (Object(value) !== value) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

/** What an error, or whatever was thrown, says of itself. */
const said = (error) => attempt(() => String(error?.message ?? error)) ?? "";

/** How many cores the browser says there are. */
export const cores = () => attempt(() => Number(navigator.hardwareConcurrency)) || 1;

/** A page: its workers, its tab, its listeners. Tells `tell` what happens and does what it is told. */
export class Page {
  constructor(spawn, tell, name) {
    this.make = spawn;
    this.tell = tell;
    this.name = name;
    this.workers = new Map();
    this.listeners = new Set();
    this.idlers = [];
    this.ended = new AbortController();
    const look = () => this.look();
    attempt(() => this.on(document, "visibilitychange", look));
    attempt(() => this.on(globalThis, "pagehide", () => this.tell("left")));
    attempt(() => this.on(globalThis, "pageshow", (e) => e.persisted && this.tell("returned")));
    attempt(() =>
      navigator.getBattery().then((battery) => {
        this.battery = battery;
        this.on(battery, "chargingchange", look);
        look();
      }, Object),
    );
    attempt(() => {
      this.channel = new BroadcastChannel(name);
      this.on(this.channel, "message", ({ data }) => this.tell("tab", data));
      this.on(this.channel, "messageerror", Object);
      this.say({ t: "hello" });
    });
  }

  on(target, type, listener) {
    target.addEventListener(type, listener, { signal: this.ended.signal });
  }

  /** Does what it is told; never throws. */
  perform(what, ...given) {
    return attempt(() => this[what](...given));
  }

  look() {
    const around = this.surroundings();
    const seen = JSON.stringify(around);
    if (seen !== this.seen) this.tell("around", around);
    this.seen = seen;
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
      attempt(() => this.look());
      attempt(() => this.askForHeirs());
      this.tell("tick");
    }, 1000);
  }

  askForHeirs() {
    const isOurs = ({ name }) => name === this.name;
    navigator.locks
      .query()
      .then(({ pending }) => this.tell("heirs", pending.some(isOurs)))
      .catch(Object);
  }

  lock(on) {
    this.release?.();
    this.release = undefined;
    if (!on) return;
    let released = false;
    const controller = new AbortController();
    const held = new Promise((resolve) => {
      this.release = () => {
        released = true;
        controller.abort();
        resolve();
      };
    });
    const grant = () => {
      if (released) return undefined;
      this.tell("granted");
      return held;
    };
    const ask = (options, granted) =>
      // Where locks are refused, each tab computes, as where there are none.
      navigator.locks.request(this.name, options, granted).catch(grant);
    const wait = (lock) => {
      if (lock || released) return grant();
      this.tell("taken");
      ask({ signal: controller.signal }, grant);
      return undefined;
    };
    if (!attempt(() => ask({ ifAvailable: true }, wait))) grant();
  }

  spawn(id) {
    let worker;
    try {
      worker = this.make();
      if (typeof worker?.terminate !== "function") return this.tell("useless", worker);
      const on = (type, listener) =>
        this.on(worker, type, (event) => this.workers.get(id) === worker && listener(event));
      on("message", ({ data }) => attempt(() => data.dc === 1) && this.tell("message", id, data));
      on("error", (event) => this.tell("died", id, said(event.message ?? "")));
      on("messageerror", () => this.tell("died", id, "its message could not be read"));
      this.workers.set(id, worker);
    } catch (error) {
      attempt(() => worker.terminate());
      return this.tell("died", id, "spawn threw: " + said(error));
    }
  }

  end(id) {
    const worker = this.workers.get(id);
    this.workers.delete(id);
    worker?.terminate();
  }

  post(id, message, ports = []) {
    this.workers.get(id)?.postMessage(message, ports);
  }

  connect(hub, worker, core) {
    const { port1, port2 } = new MessageChannel();
    this.post(worker, { dc: 1, t: "compute", port: port1, core }, [port1]);
    this.post(hub, { dc: 1, t: "core", port: port2, core }, [port2]);
  }

  say(message) {
    this.channel?.postMessage(message);
  }

  /** Requests of a page outlive it, where those of a worker often do not. */
  farewell(requests) {
    const headers = { "content-type": "application/json" };
    for (const { url, body } of requests) {
      attempt(() => fetch(url, { method: "POST", keepalive: true, headers, body }).catch(Object));
    }
  }

  merge(base, own) {
    return freeze({ ...base, ...own });
  }

  subscribe(listener) {
    // Not the function itself, which may be given twice.
    const entry = { listener };
    this.listeners.add(entry);
    return () => void this.listeners.delete(entry);
  }

  show(status) {
    for (const { listener } of [...this.listeners]) {
      try {
        listener(status);
      } catch (error) {
        attempt(() => reportError(error));
      }
    }
  }

  hush() {
    this.listeners.clear();
  }

  later(ms) {
    setTimeout(() => this.tell("later"), ms);
  }

  /** Resolves when no tab computes, this one included. */
  async alone() {
    await new Promise((resolve) => this.idlers.push(resolve));
    const signal = attempt(() => AbortSignal.timeout(30_000));
    await navigator.locks?.request(this.name, { signal }, Object);
  }

  idle() {
    for (const resolve of this.idlers.splice(0)) resolve();
  }

  close() {
    this.idle();
    this.tell = Object;
    this.ended.abort();
    this.channel?.close();
  }
}
