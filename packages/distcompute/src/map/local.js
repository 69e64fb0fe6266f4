// The cores of this machine, as a volunteer like any other.

import { Console } from "node:console";
import { pathToFileURL } from "node:url";

import loadWasm, { Volunteer } from "distcompute-client";

import { Worker } from "../threads/worker.js";

/** The public name of this machine. */
export const nickname = "this machine";

export class Local {
  #volunteer;
  /** How many cores. */
  cores;

  /**
   * @param {{ url: string, worker: string, stages: string[], joinKey?: string, cores: number }} wanted
   *   `worker` is the path of the worker script
   */
  static async start(wanted) {
    if (wanted.cores === 0) return undefined;
    await loadWasm();
    // The client prints the first error, and standard output is for the outputs.
    globalThis.console = new Console(process.stderr);
    return new Local(wanted);
  }

  constructor({ url, worker, stages, joinKey, cores }) {
    this.cores = cores;
    this.#volunteer = new Volunteer({
      url,
      // The last stage first, so that jobs are completed before new ones are begun.
      stages: /** @type {any} */ ([...stages].reverse()),
      nickname,
      joinKey,
      settings: { cores, pauseOnBattery: false },
      spawn: () => /** @type {any} */ (new Worker(pathToFileURL(worker))),
    });
    this.#volunteer.start();
  }

  /** Resolves when the running jobs are done and the tracker has their results. */
  async finish() {
    this.#volunteer.stop({ finish: true });
    await new Promise((resolve) => {
      this.#volunteer.subscribe(({ state }) => state === "stopped" && resolve(undefined));
    });
  }

  /** Why this machine cannot compute, or null. */
  get error() {
    return this.#volunteer.status.error;
  }

  free() {
    this.#volunteer.free();
  }
}
