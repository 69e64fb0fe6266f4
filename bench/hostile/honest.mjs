// Honest volunteers beside an attack, each with an address and a connection of its own: a sync a second
// that hands in what the last one brought.

import { setTimeout as sleep } from "node:timers/promises";

import { ask, connections, jsonOf } from "./http.mjs";
import { refused, retryMs } from "./pace.mjs";

export const volunteers = 200;
export const everyMs = 1_000;
export const jobs = 4;

/** How long a volunteer tries to get a sync through. */
export const patienceMs = 20_000;

/** At the same time, at the start. */
const together = 20;

const result = "x".repeat(100);

/**
 * @typedef {{ lost: number, syncs: number, times: number[] }} Window what was begun within a time
 * @typedef {{ window?: Window, isOver: boolean, isAbandoned: boolean }} Crowd
 */

/**
 * Registers all of them and sets them to work.
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
    /** What volunteers get while `work` runs. */
    async during(work) {
      /** @type {Window} */
      const window = { lost: 0, syncs: 0, times: [] };
      crowd.window = window;
      await work();
      crowd.window = undefined;
      return window;
    },
    /** Has them hand in what they have. Resolves to how much of it was refused. */
    async stop() {
      crowd.isOver = true;
      await Promise.all(working);
      const window = { lost: 0, syncs: 0, times: [] };
      await Promise.all(all.map((one) => one.sync(window, 0)));
      return window.lost;
    },
    /** Ends them, whatever they wait for. */
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
    // No two keep step.
    await sleep((everyMs * this.at) / volunteers);
    while (!this.crowd.isOver) {
      const began = performance.now();
      await this.sync(this.crowd.window, jobs);
      await sleep(Math.max(0, began + everyMs - performance.now()));
    }
  }

  /** @param {Window | undefined} window where it counts, if anywhere */
  async sync(window, want) {
    this.seq += 1;
    const { token, seq, done } = this;
    const began = performance.now();
    const answer = await this.answered({ token, seq, done, want, cores: jobs }, began);
    const said = answer && jsonOf(answer);
    if (window) {
      window.syncs += 1;
      window.times.push(performance.now() - began);
      window.lost += said ? refused(done, said) : 1;
    }
    // Of a sync that failed the results are handed in with the next one.
    if (said) this.done = said.jobs.map(({ lease }) => ({ lease, data: result }));
  }

  /** The answer that is the last word; undefined where none came in time. */
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
