// The entry of each worker thread: makes the global scope look like a web worker's, then imports the
// script.

import { availableParallelism } from "node:os";
import { parentPort, workerData } from "node:worker_threads";

import { openCaches } from "./caches.js";
import { confine } from "./confine.js";
import { fetchFile } from "./files.js";
import { openStorage } from "./storage.js";
import { errorKey } from "./worker.js";

if (!parentPort) throw new Error("scope.js is the entry of a worker thread.");
const port = parentPort;
const events = new EventTarget();

/** @type {{ script: string } & import("./worker.js").Surroundings} */
const { script, location, storage, files, keys, confined } = workerData;

/** Stands for the class of a web worker's global object, which scripts test with `instanceof`. */
class DedicatedWorkerGlobalScope {
  static [Symbol.hasInstance](value) {
    return value === globalThis;
  }
}

Object.assign(globalThis, {
  self: globalThis,
  DedicatedWorkerGlobalScope,
  WorkerGlobalScope: DedicatedWorkerGlobalScope,
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
  dispatchEvent: events.dispatchEvent.bind(events),
  postMessage: (message, transfer) => port.postMessage(message, transfer),
  close: () => process.exit(0),
  reportError: (error) => report(error),
});
// Node 20 has none.
globalThis.navigator ??= /** @type {any} */ ({ hardwareConcurrency: availableParallelism() });

if (location !== undefined) {
  const { fetch } = globalThis;
  Object.assign(globalThis, {
    location: new URL(location),
    // Node's takes whole addresses only.
    fetch: (input, init) =>
      fetch(typeof input === "string" ? new URL(input, location) : input, init),
  });
} else {
  // A script of this machine loads what is beside it as in a browser.
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => fetchFile(input) ?? fetch(input, init);
}
if (storage !== undefined) Object.assign(globalThis, openStorage(storage, keys));
if (files !== undefined) openCaches(files);

// Stacks of errors name the places in the owner's files.
process.setSourceMapsEnabled(true);
process.on("uncaughtException", (error) => {
  const event = Object.assign(new Event("error", { cancelable: true }), { error });
  if (events.dispatchEvent(event)) report(error);
});
process.on("unhandledRejection", (reason) => {
  const event = new Event("unhandledrejection", { cancelable: true });
  if (events.dispatchEvent(Object.assign(event, { reason }))) report(reason);
});

/** @param {unknown} thrown */
function report(thrown) {
  const message = Object(thrown).message ?? thrown;
  const { stack } = Object(thrown);
  port.postMessage({ [errorKey]: String(message), stack: stack && String(stack) });
}

if (confined) confine();
// Messages that arrive while the script is being imported wait until somebody listens.
await import(script);
port.on("message", (data) => events.dispatchEvent(new MessageEvent("message", { data })));
