// A web worker on Node's worker threads, as far as the engine needs one: it is constructed with the URL
// of a module, exchanges messages, reports errors and can be terminated.

import { Worker as Thread } from "node:worker_threads";

const scope = new URL("scope.js", import.meta.url);

/** What the thread sends to report an error, beside the messages of its script. */
export const errorKey = "distcompute:error";

/**
 * @typedef {object} Surroundings
 * @property {string} [location] the address that the script has for itself, if it is not its own
 * @property {string} [storage] the path of the file that stands for the browser's storage
 * @property {string} [files] the path of the folder for files of jobs, which are kept in memory otherwise
 * @property {CryptoKeyPair} [keys] the key that stands for the one that a browser keeps for the tracker
 * @property {boolean} [confined] whether what would help a script to get around the permissions of this process is
 *   taken from it
 */

export class Worker extends EventTarget {
  /** @type {Thread | undefined} */
  #thread;
  /** What was sent before there was a thread. @type {Parameters<Thread["postMessage"]>[]} */
  #early = [];
  #ended = false;

  /**
   * @param {string | URL | Promise<string | URL>} script the URL of a module
   * @param {Surroundings} [surroundings]
   */
  constructor(script, surroundings = {}) {
    super();
    if (script instanceof Promise) {
      script.then(
        (url) => this.#start(url, surroundings),
        (error) => this.#report(String(error?.message ?? error)),
      );
    } else {
      this.#start(script, surroundings);
    }
  }

  /**
   * @param {string | URL} script
   * @param {Surroundings} surroundings
   */
  #start(script, surroundings) {
    if (this.#ended) return;
    const thread = new Thread(scope, {
      workerData: { script: String(script), ...surroundings },
      // What the script prints must not end up between the outputs of this process.
      stdout: true,
      // No `execArgv`: with options of its own a thread would not have the permissions of this process, but all.
    });
    this.#thread = thread;
    thread.stdout.pipe(process.stderr, { end: false });
    thread.on("message", (data) => {
      if (typeof data === "object" && data !== null && errorKey in data) {
        this.#report(data[errorKey], data.stack);
      } else {
        this.dispatchEvent(new MessageEvent("message", { data }));
      }
    });
    thread.on("messageerror", () => this.dispatchEvent(new Event("messageerror")));
    thread.on("error", (error) => this.#report(String(error?.message ?? error), error?.stack));
    // A thread that runs out of memory or calls `process.exit` ends without an error.
    thread.on("exit", (code) => {
      if (code !== 0 && !this.#ended) this.#report(`The thread ended with exit code ${code}.`);
    });
    for (const [message, transfer] of this.#early) thread.postMessage(message, transfer);
    this.#early = [];
  }

  /**
   * @param {string} message
   * @param {string} [stack]
   */
  #report(message, stack) {
    this.dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message, stack }));
  }

  /**
   * @param {unknown} message
   * @param {import("node:worker_threads").Transferable[]} [transfer]
   */
  postMessage(message, transfer) {
    if (this.#thread) this.#thread.postMessage(message, transfer);
    else this.#early.push([message, transfer]);
  }

  terminate() {
    this.#ended = true;
    void this.#thread?.terminate();
  }
}
