// A web worker on Node's worker threads, as far as the engine needs one: it is constructed with the URL
// of a module, exchanges messages, reports errors and can be terminated.

import { Worker as Thread } from "node:worker_threads";

const scope = new URL("scope.js", import.meta.url);

/** What the thread sends to report an error, beside the messages of its script. */
export const errorKey = "distcompute:error";

export class Worker extends EventTarget {
  #thread;

  /** @param {string | URL} script the URL of a module */
  constructor(script) {
    super();
    this.#thread = new Thread(scope, {
      workerData: { script: String(script) },
      // What the script prints must not end up between the outputs of this process.
      stdout: true,
      // Stacks of errors name the places in the owner's files.
      execArgv: ["--enable-source-maps"],
    });
    this.#thread.stdout.pipe(process.stderr, { end: false });
    this.#thread.on("message", (data) => {
      if (typeof data === "object" && data !== null && errorKey in data) {
        this.#report(data[errorKey]);
      } else {
        this.dispatchEvent(new MessageEvent("message", { data }));
      }
    });
    this.#thread.on("messageerror", () => this.dispatchEvent(new Event("messageerror")));
    this.#thread.on("error", (error) => this.#report(String(error?.message ?? error)));
    // A thread that runs out of memory or calls `process.exit` ends without an error.
    this.#thread.on("exit", (code) => {
      if (code !== 0 && !this.#ended) this.#report(`The thread ended with exit code ${code}.`);
    });
  }

  #ended = false;

  /** @param {string} message */
  #report(message) {
    this.dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message }));
  }

  /**
   * @param {unknown} message
   * @param {import("node:worker_threads").Transferable[]} [transfer]
   */
  postMessage(message, transfer) {
    this.#thread.postMessage(message, transfer);
  }

  terminate() {
    this.#ended = true;
    void this.#thread.terminate();
  }
}
