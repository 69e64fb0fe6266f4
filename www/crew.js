// The workers of this page, one a core: starts them, replaces those that die or fall silent, stops
// them, and says goodbye for them when the page goes. No DOM: page.js shows what this knows.

import { after, broken, newCore } from "./core.js";
import { delay } from "./waiting.js";

/**
 * @typedef {import("./core.js").Core} Core
 * @typedef {import("./messages.js").FromWorker} FromWorker
 * @typedef {import("./messages.js").ToWorker} ToWorker
 * @typedef {import("./messages.js").Order} Order
 */

/** A worker that says nothing for so long, beyond a wait that it announced, hangs. */
const silenceMs = 150_000;
/** How long Stop waits for the workers' own goodbyes. */
const stopMs = 3000;

/**
 * What the crew needs of its surroundings.
 *
 * @typedef {object} World
 * @property {() => Worker} spawn
 * @property {(token: string) => void} farewell sends a goodbye that outlives the page
 * @property {() => void} changed
 * @property {() => number} now
 */

/** One core's place: its worker changes, its counts stay. */
class Seat {
  core = newCore();
  /** @type {Worker | undefined} */
  worker;
  /** The tokens of the registrations that its worker has, by stage. @type {Map<string, string>} */
  tokens = new Map();
  /** Failures since the last job that was done. */
  failures = 0;
  silentMs = 0;
  /** @type {() => void} */
  stopped = () => {};
}

export class Crew {
  /** @type {Seat[]} */
  #seats = [];
  /** @type {Order | undefined} */
  #order;
  #world;
  #lastTick = 0;

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
  }

  /** @returns {Core[]} */
  get cores() {
    return this.#seats.map((seat) => seat.core);
  }

  /**
   * @param {number} cores
   * @param {Order} order
   */
  start(cores, order) {
    this.leave();
    this.#order = order;
    this.#seats = Array.from({ length: cores }, () => new Seat());
    for (const seat of this.#seats) this.#fill(seat);
  }

  /** Resolves when every job has been put back, or after a few seconds. */
  async stop() {
    this.#order = undefined;
    const seats = this.#seats.filter((seat) => seat.worker);
    const stopped = seats.map((seat) => new Promise((done) => (seat.stopped = () => done(true))));
    for (const seat of seats) {
      seat.core = { ...seat.core, state: "stopping" };
      send(seat, { type: "stop" });
    }
    this.#world.changed();
    const late = new Promise((done) => setTimeout(done, stopMs));
    await Promise.race([Promise.all(stopped), late]);
    this.leave();
  }

  /** At once, for a page that is going: ends the workers and says goodbye in their place. */
  leave() {
    this.#order = undefined;
    for (const seat of this.#seats) {
      this.#empty(seat);
      seat.core = { ...seat.core, state: "stopped" };
    }
  }

  /** Call it every second or so: replaces workers that died or hang. */
  tick() {
    const now = this.#world.now();
    // A page that slept has not listened; that is not its workers' silence.
    const passed = Math.min(now - this.#lastTick, 5000);
    this.#lastTick = now;
    if (!this.#order) return;
    for (const seat of this.#seats) {
      if (seat.core.state === "broken" && now >= seat.core.until) this.#fill(seat);
      if (seat.core.until < now) seat.silentMs += passed;
      if (seat.worker && seat.silentMs > silenceMs) this.#fail(seat, "It said nothing for long.");
    }
  }

  /** @param {Seat} seat */
  #fill(seat) {
    const worker = this.#world.spawn();
    seat.worker = worker;
    seat.silentMs = 0;
    seat.core = { ...seat.core, state: "starting", until: 0 };
    worker.onmessage = ({ data }) => this.#hear(seat, worker, data);
    worker.onerror = (event) => {
      event.preventDefault();
      // No message: its files could not be loaded.
      this.#fail(seat, event.message || "Its program could not be loaded.");
    };
    this.#world.changed();
  }

  /**
   * @param {Seat} seat
   * @param {Worker} worker
   * @param {FromWorker} message
   */
  #hear(seat, worker, message) {
    // What a worker that was replaced still had to say.
    if (seat.worker !== worker) return;
    seat.silentMs = 0;
    if (message.type === "ready" && this.#order) {
      send(seat, { type: "start", order: this.#order });
    }
    if (message.type === "registered") seat.tokens.set(message.stage, message.dump.token);
    if (message.type === "done") seat.failures = 0;
    if (message.type === "failed") return this.#fail(seat, message.message);
    if (message.type === "stopped") {
      seat.tokens.clear();
      seat.stopped();
    } else if (seat.core.state !== "stopping") seat.core = after(seat.core, message);
    this.#world.changed();
  }

  /**
   * @param {Seat} seat
   * @param {string} reason
   */
  #fail(seat, reason) {
    this.#empty(seat);
    seat.stopped();
    const until = this.#world.now() + delay("unreachable", seat.failures, Math.random());
    seat.failures += 1;
    seat.core = broken(seat.core, reason, until);
    this.#world.changed();
  }

  /** @param {Seat} seat */
  #empty(seat) {
    seat.worker?.terminate();
    seat.worker = undefined;
    for (const token of seat.tokens.values()) this.#world.farewell(token);
    seat.tokens.clear();
  }
}

/**
 * @param {Seat} seat
 * @param {ToWorker} message
 */
function send(seat, message) {
  seat.worker?.postMessage(message);
}
