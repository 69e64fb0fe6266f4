// The entry of each worker thread: makes the global scope look like a web worker's, then imports the
// script.

import { parentPort, workerData } from "node:worker_threads";

import { errorKey } from "./worker.js";

if (!parentPort) throw new Error("scope.js is the entry of a worker thread.");
const port = parentPort;
const events = new EventTarget();

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
  port.postMessage({ [errorKey]: String(message) });
}

// Messages that arrive while the script is being imported wait until somebody listens.
await import(workerData.script);
port.on("message", (data) => events.dispatchEvent(new MessageEvent("message", { data })));
