// Tries a script: loads it in a worker and has that run jobs, in Node or on a page. A worker that does not
// answer is replaced.

/**
 * @typedef {object} Job
 * @property {unknown} data
 * @property {string} [stage]
 * @property {unknown} [restored]
 */

/**
 * What came of a job.
 *
 * @typedef {object} Ran
 * @property {unknown} [output]
 * @property {{ kind: "setup" | "failed" | "invalid", message: string } | null} [failure]
 * @property {unknown[]} [checkpoints]
 * @property {number} [bytes] of the output as JSON
 * @property {import("./watched.js").Seen} [seen]
 * @property {string} [refused] why `runJob` has not run it
 * @property {string} [died] how the worker has ended
 * @property {{ afterMs: number, share?: number }} [timedOut] `share` of the job was done by then
 */

/** How long the script may take to load, in milliseconds. */
const loadMs = 30_000;

export class Trial {
  #spawn;
  #timeoutMs;
  #worker;
  #jobs = 0;

  /**
   * @param {object} options
   * @param {() => any} options.spawn starts a worker with the bundled script
   * @param {number} options.timeoutMs how long a job may take
   */
  constructor({ spawn, timeoutMs }) {
    this.#spawn = spawn;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Loads the script, in place of what was loaded before.
   *
   * @returns {Promise<{ kind: "worker" | "function", stages?: string[] } | { unloadable: string }>}
   */
  async load() {
    this.end();
    this.#worker = this.#spawn();
    const heard = await this.#hear(loadMs, (message) => message.t !== "progress");
    if (heard.t === "loaded") return heard;
    this.end();
    if (heard.t === "unloadable") return { unloadable: heard.message };
    if (heard.t === "error") return { unloadable: heard.message };
    return { unloadable: `It was not loaded after ${loadMs / 1000} s.` };
  }

  /**
   * Runs one job. `stop` has its first call of `progress` throw, as when a volunteer presses Stop.
   *
   * @param {Job} job
   * @param {{ stop?: boolean }} [options]
   * @returns {Promise<Ran>}
   */
  async run(job, { stop = false } = {}) {
    if (!this.#worker) {
      const loaded = await this.load();
      if ("unloadable" in loaded) return { died: loaded.unloadable };
    }
    this.#jobs += 1;
    const id = this.#jobs;
    let share;
    const onMessage = (message) => {
      if (message.t === "progress" && message.id === id && message.total > 0) {
        share = message.done / message.total;
      }
      return message.t === "error" || (message.t === "ran" && message.id === id);
    };
    this.#worker.postMessage({ t: "run", id, job, stop });
    const heard = await this.#hear(this.#timeoutMs, onMessage);
    if (heard.t === "ran") return heard.ran;
    this.end();
    if (heard.t === "error") return { died: heard.message };
    return { timedOut: { afterMs: this.#timeoutMs, share } };
  }

  end() {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Resolves to the first message that `isMeant`, to an error of the worker, or to nothing after `ms`. */
  async #hear(ms, isMeant) {
    const worker = this.#worker;
    const listening = new AbortController();
    const { signal } = listening;
    let timer;
    try {
      return await new Promise((resolve) => {
        const listen = ({ data }) => isMeant(data) && resolve(data);
        worker.addEventListener("message", listen, { signal });
        worker.addEventListener(
          "error",
          (event) => {
            event.preventDefault();
            // Browsers say nothing of a script that cannot be fetched.
            const { message = "The worker cannot be loaded.", stack } = event;
            resolve({ t: "error", message: stack ?? message });
          },
          { signal },
        );
        timer = setTimeout(() => resolve({ t: "late" }), ms);
      });
    } finally {
      clearTimeout(timer);
      listening.abort();
    }
  }
}
