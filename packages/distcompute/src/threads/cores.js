// Cores of this machine, as a volunteer like any other: the engine that browsers run, on worker threads.

import { Console } from "node:console";

import loadWasm, { Volunteer } from "distcompute-client";

/** @typedef {import("distcompute-client").VolunteerStatus} Status */

/**
 * @typedef {object} Wanted
 * @property {string} url the tracker's address
 * @property {string[]} stages
 * @property {string} nickname
 * @property {string} [joinKey]
 * @property {number} cores
 * @property {number} [intensity] in percent
 * @property {boolean} [slowFailing]
 * @property {() => import("./worker.js").Worker} spawn starts a worker with the worker script
 */

export class Cores {
  #volunteer;

  /** @param {Wanted} wanted */
  static async start(wanted) {
    await loadWasm();
    // The client prints the first error, and standard output is for the outputs.
    globalThis.console = new Console(process.stderr);
    return new Cores(wanted);
  }

  /** @param {Wanted} wanted */
  constructor({
    url,
    stages,
    nickname,
    joinKey,
    cores,
    intensity = 100,
    slowFailing = true,
    spawn,
  }) {
    this.#volunteer = new Volunteer({
      url,
      // The last stage first, so that jobs are completed before new ones are begun.
      stages: /** @type {any} */ ([...stages].reverse()),
      nickname,
      joinKey,
      settings: { cores, intensity, pauseOnBattery: false },
      limits: { slowFailing },
      spawn: /** @type {any} */ (spawn),
    });
    this.#volunteer.start();
  }

  /** Resolves when the running jobs are done and the tracker has their results. */
  async finish() {
    this.#volunteer.stop({ finish: true });
    await this.#stopped();
  }

  /** Ends what runs, and resolves when the tracker has the jobs back, or cannot be reached. */
  async stop() {
    this.#volunteer.stop();
    await this.#stopped();
  }

  async #stopped() {
    await new Promise((resolve) => {
      this.#volunteer.subscribe(({ state }) => state === "stopped" && resolve(undefined));
    });
  }

  get status() {
    return this.#volunteer.status;
  }

  free() {
    this.#volunteer.free();
  }
}
