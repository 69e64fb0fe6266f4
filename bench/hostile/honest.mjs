// Honest volunteers during an attack. Each has its own address and connection, and syncs once a second to
// submit the jobs of the previous sync.

import { setTimeout as sleep } from "node:timers/promises";

import { ask, connections, jsonOf } from "./http.mjs";
import { refused, retryMs } from "./pace.mjs";

export const volunteers = 200;
export const everyMs = 1_000;
export const jobs = 4;

/** How long a volunteer retries a sync. */
export const patienceMs = 20_000;

/** The number of volunteers that register at the same time. */
const together = 20;

const result = "x".repeat(100);

/**
 * @typedef {{ lost: number, syncs: number, times: number[] }} Window the syncs that started in a period
 * @typedef {{ window?: Window, isOver: boolean, isAbandoned: boolean }} Crowd
 */

/**
 * Registers all volunteers and starts them.
 *
 * @param {string} url
 */
export async function startHonest(url) {
  /** @type {Crowd} */
  const crowd = { window: undefined, isOver: false, isAbandoned: false };
  const all = Array.from({ length: volunteers }, (_, at) => new Honest(url, at, crowd));
  for (let at = 0; at < all.length; at += together)
    await Promise.all(all.slice(at, at + together).map((one) => one.register()));
  const working = all.map((one) => one.work());
  return {
    /** Measures the service to the volunteers while `work` runs. */
    async during(work) {
      /** @type {Window} */
      const window = { lost: 0, syncs: 0, times: [] };
      crowd.window = window;
      await work();
      crowd.window = undefined;
      return window;
    },
    /** Submits the remaining results. Resolves to the number of refused ones. */
    async stop() {
      crowd.isOver = true;
      await Promise.all(working);
      const window = { lost: 0, syncs: 0, times: [] };
      await Promise.all(all.map((one) => one.sync(window, 0)));
      return window.lost;
    },
    /** Stops the volunteers immediately. */
    abandon() {
      crowd.isOver = true;
      crowd.isAbandoned = true;
      for (const { agent } of all) agent.destroy();
    },
  };
}

class Honest {
  /** @param {Crowd} crowd */
  constructor(url, at, crowd) {
    this.url = url;
    this.at = at;
    this.crowd = crowd;
    this.from = `198.18.${at >> 8}.${at & 255}`;
    this.agent = connections(1);
    this.seq = 0;
    this.done = [];
  }

  ask(path, body) {
    const { url, from, agent } = this;
    return ask({ url, path, from, agent, body, timeoutMs: patienceMs });
  }

  async register() {
    const answer = await this.ask(`/api/new?stage=a&nickname=honest-${this.at}`);
    const registered = jsonOf(answer);
    if (!registered) throw new Error(`an honest volunteer is answered ${answer.status}`);
    this.token = registered.token;
  }

  async work() {
    // Spreads the volunteers evenly over the interval.
    await sleep((everyMs * this.at) / volunteers);
    while (!this.crowd.isOver) {
      const began = performance.now();
      await this.sync(this.crowd.window, jobs);
      await sleep(Math.max(0, began + everyMs - performance.now()));
    }
  }

  /** @param {Window | undefined} window the period to which the sync is counted, if any */
  async sync(window, want) {
    this.seq += 1;
    const { token, seq, done } = this;
    const began = performance.now();
    const answer = await this.answered({ token, seq, done, want, cores: jobs }, began);
    const parsed = answer && jsonOf(answer);
    if (window) {
      window.syncs += 1;
      window.times.push(performance.now() - began);
      window.lost += parsed ? refused(done, parsed) : 1;
    }
    // The results of a failed sync are submitted with the next one.
    if (parsed) this.done = parsed.jobs.map(({ lease }) => ({ lease, data: result }));
  }

  /** Retries until there is a final answer. Resolves to undefined if there is none in time. */
  async answered(body, began) {
    for (;;) {
      const answer = await this.ask("/api/sync", body).catch(() => ({}));
      const waitMs = retryMs(answer);
      if (waitMs === undefined) return answer;
      if (this.crowd.isAbandoned) return undefined;
      if (performance.now() + waitMs - began > patienceMs) return undefined;
      await sleep(waitMs);
    }
  }
}
