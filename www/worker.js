// One core: takes jobs, works on them and hands them in, until the page says stop. What a job
// computes stands in stages.js, how long to wait in waiting.js.

import loadClient, { init } from "./pkg/distcompute_client.js";
import loadKernel, { Poster, Tile } from "./kernel/mandelbrot.js";
import { InvalidInput, stages } from "./stages.js";
import { delay, isOutage, nextTask, sleep, timeLimit } from "./waiting.js";

/**
 * @typedef {import("./pkg/distcompute_client.js").Client} Client
 * @typedef {import("./messages.js").Order} Order
 * @typedef {"a" | "b"} Stage
 */

/** Checks come first: a tile is finished before a new one is begun. */
const order = /** @type {const} */ (["b", "a"]);
const stopping = new AbortController();
const { signal } = stopping;

/** @type {Partial<Record<Stage, Client>>} */
const clients = {};
/** Inputs that this browser has flagged, by job: a second opinion must be somebody else's. */
const flagged = new Map();
const otherCores = new BroadcastChannel("flagged inputs");
otherCores.onmessage = ({ data: { number, input } }) => flagged.set(number, input);
/** When the tracker last heard a progress line, and when it last heard that this core waits. */
const heard = { progress: 0, waiting: 0 };

/** @param {import("./messages.js").FromWorker} message */
const post = (message) => postMessage(message);

self.onmessage = ({ data }) => (data.type === "start" ? run(data.order) : stopping.abort());
post({ type: "ready" });

/** @param {Order} order */
async function run({ url, nickname, parameters }) {
  try {
    await Promise.all([loadClient(), loadKernel()]);
    const project = { Tile, poster: new Poster(parameters) };
    for (let empty = 0; ;) {
      const client = await take({ url, nickname });
      if (client) await work(client, project);
      else await stayKnown();
      empty = client ? 0 : empty + 1;
      if (!client) await wait("no_jobs", empty - 1);
    }
  } catch (error) {
    if (!signal.aborted) post({ type: "failed", message: String(error) });
  }
  await Promise.all(Object.values(clients).map((client) => client.bye({ timeoutMs: 2000 })));
  post({ type: "stopped" });
}

/**
 * A client that has just got a job; undefined where none is open.
 *
 * @param {{ url: string, nickname: string }} to
 */
async function take(to) {
  for (const stage of order) {
    try {
      const client = (clients[stage] ??= await register(stage, to));
      await patiently((options) => client.newJob(options));
      if (flagged.get(client.jobId) !== JSON.stringify(client.job)) return client;
      delete clients[stage];
      await client.bye({ timeoutMs: 2000 });
    } catch (error) {
      const { code } = Object(error);
      // The job is held, and the stage will not be able to read it either: it is flagged.
      if (code === "bad_job_data") return clients[stage];
      if (code === "worker_unknown") delete clients[stage];
      else if (code !== "no_jobs") throw error;
    }
  }
  return undefined;
}

/**
 * @param {Stage} stage
 * @param {{ url: string, nickname: string }} to
 */
async function register(stage, to) {
  const client = await patiently((options) => init({ ...to, stage, verbose: false }, options));
  post({ type: "registered", stage, dump: client.dump() });
  return client;
}

/**
 * Works on the job that `client` holds and hands it in.
 *
 * @param {Client} client
 * @param {{ Tile: typeof Tile, poster: Poster }} project
 */
async function work(client, project) {
  const { stageName, job: data } = client;
  const stage = /** @type {Stage} */ (client.stage);
  const number = client.jobId ?? 0;
  const begun = performance.now();
  post({ type: "job", stage, stageName, number });
  try {
    const output = await stages[stage](project, { number, data }, reporter(client));
    post({ type: "sending" });
    await patiently((options) => client.completeJob(output, options));
    post({ type: "done", stage, ms: performance.now() - begun });
  } catch (error) {
    if (error instanceof InvalidInput) {
      const input = JSON.stringify(data);
      flagged.set(number, input);
      otherCores.postMessage({ number, input });
      await patiently((options) => client.flagInvalidData(options)).catch(ifLost);
      post({ type: "flagged", reason: error.message });
    } else ifLost(error);
  }
}

/**
 * The job is another's by now, or done: no harm, the next one is taken. Anything else is a fault.
 *
 * @param {unknown} error
 */
function ifLost(error) {
  const { name } = Object(error);
  if (name !== "WorkerTimedOutError" && name !== "NoOpenJobError") throw error;
  post({ type: "lost" });
}

/**
 * Tells the page at once and the tracker now and then; the computing does not wait for either.
 *
 * @param {Client} client
 */
function reporter(client) {
  let shown = performance.now();
  return async (/** @type {number} */ done, /** @type {number} */ total) => {
    const now = performance.now();
    if (now - shown < 40) return;
    shown = now;
    post({ type: "progress", done, total });
    if (now - heard.progress > 4000) {
      heard.progress = now;
      client.log(`${Math.round((100 * done) / total)} %`, { timeoutMs: 4000 }).catch(() => {});
    }
    await nextTask();
    signal.throwIfAborted();
  };
}

/**
 * Repeats a call for as long as the tracker is away, and says so.
 *
 * @template T
 * @param {(options: { signal: AbortSignal, timeoutMs: number }) => Promise<T>} call
 * @returns {Promise<T>}
 */
async function patiently(call) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call({ signal, timeoutMs: timeLimit(attempt) });
    } catch (error) {
      if (!isOutage(error)) throw error;
    }
    await wait("unreachable", attempt);
  }
}

/** Asking for jobs does not count as being heard from; a progress line does. */
async function stayKnown() {
  if (performance.now() - heard.waiting < 60_000) return;
  heard.waiting = performance.now();
  const line = "Waiting for a job";
  await Promise.allSettled(
    Object.values(clients).map((client) => client.log(line, { signal, timeoutMs: 4000 })),
  );
}

/**
 * @param {import("./messages.js").Why} why
 * @param {number} attempt
 */
async function wait(why, attempt) {
  const ms = delay(why, attempt, Math.random());
  post({ type: "waiting", why, until: Date.now() + ms });
  await sleep(ms, signal);
}
