// How long to wait, and the waiting itself. Which calls are worth repeating is decided here, what
// they are is not.

/** @typedef {import("./messages.js").Why} Why */

const seconds = 1000;

/**
 * Milliseconds to wait after `attempt` (from 0) attempts in a row. Every wait is partly random, so
 * that volunteers who began together do not come back together.
 *
 * @param {Why} why
 * @param {number} attempt
 * @param {number} random at least 0, below 1
 */
export function delay(why, attempt, random) {
  const growth = { no_jobs: 1.5, unreachable: 2 }[why];
  const most = Math.min(60 * seconds, 3 * seconds * growth ** attempt);
  return Math.round(most * (0.6 + 0.4 * random));
}

/**
 * How long a call may take in all, in milliseconds. Short at first, so that people soon read that the
 * tracker is away; longer later, because it may be the line that is slow.
 *
 * @param {number} attempt
 */
export function timeLimit(attempt) {
  return Math.min(60 * seconds, 8 * seconds * 2 ** attempt);
}

/**
 * Whether the tracker is away or broken for now, and the same call may work later.
 *
 * @param {unknown} error
 */
export function isOutage(error) {
  const { name, code } = Object(error);
  // The tracker is well; the job's data is not, and will be no better the next time.
  if (code === "bad_job_data") return false;
  return ["UnreachableError", "TimeoutError", "ServerError", "InvalidURLError"].includes(name);
}

/**
 * Rejects with the signal's reason when it is aborted.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Lets messages and answers that have come in be handled, and goes on. A timer would take 4 ms.
 *
 * @returns {Promise<void>}
 */
export function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
