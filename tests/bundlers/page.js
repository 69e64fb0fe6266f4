// The page of the test projects: computes one job itself and a second one in a worker, and stores the outcome
// in `globalThis.outcome` for the test.

import { oneJob } from "./job.js";

/**
 * @param {() => Promise<Function>} library resolves to the library's `init`
 * @param {() => Worker} spawn
 */
export async function runPage(library, spawn) {
  try {
    const url = new URLSearchParams(location.search).get("tracker");
    const page = await oneJob(await library(), url);
    const worker = await jobInWorker(spawn(), url);
    globalThis.outcome = { page, worker };
  } catch (error) {
    globalThis.outcome = { error: `${error?.name}: ${error?.message} ${error?.stack}` };
  }
}

function jobInWorker(worker, url) {
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
    worker.onmessage = ({ data }) => {
      // Messages that are sent before the worker has a listener would be lost.
      if (data.ready) return worker.postMessage({ url });
      if (data.error) return reject(new Error(data.error));
      worker.terminate();
      resolve(data.outcome);
    };
  });
}

/** The counterpart of `runPage` in the worker. */
export function answerPage(library) {
  self.onmessage = async ({ data: { url } }) => {
    try {
      self.postMessage({ outcome: await oneJob(await library(), url) });
    } catch (error) {
      self.postMessage({ error: String(error) });
    }
  };
  self.postMessage({ ready: true });
}
