// A process that attacks. It prints `ready` when everything is prepared, starts immediately, and finally
// prints its report as JSON. Its only argument is `Orders` as JSON.

import { setTimeout as sleep } from "node:timers/promises";

import { attacks } from "./attacks.mjs";
import { ask, connections } from "./http.mjs";
import { dueMs } from "./pace.mjs";

/**
 * @typedef {{ attack: string, url: string, seconds: number, addresses: number, steps?: number }} Orders
 *   `steps` limits the number of steps and spreads them over the time, to repeat the traffic of another
 *   run
 * @typedef {{ steps: number, statuses: Record<string, number>, notes: Record<string, number> }} Report
 */

/** The pause after a call without any answer. */
const pauseMs = 50;

/** @param {Orders} orders */
async function main({ attack, url, seconds, addresses, steps }) {
  const { lanes, prepare, step } = attacks[attack];
  let statuses = {};
  const notes = {};
  const add = (counts, name, count) => (counts[name] = (counts[name] ?? 0) + count);
  let asked = 0;
  const from = () => `203.0.113.${1 + (asked++ % addresses)}`;
  const agent = connections();
  const call = async (path, more) => {
    const answer = await ask({ url, path, from: from(), agent, ...more });
    add(statuses, answer.status, 1);
    return answer;
  };
  let end;
  const over = new Promise((resolve) => (end = resolve));
  const note = (name, count) => add(notes, name, count);
  const cx = { ask: call, from, url, over, note };

  const prepared = await prepare?.(cx, lanes);
  statuses = {};
  console.log("ready");
  const began = performance.now();
  const left = () => began + 1_000 * seconds - performance.now();
  let count = 0;
  const lane = async (number) => {
    while (left() > 0) {
      const at = { lane: number, count: count++ };
      const due = began + dueMs(at.count, { lanes, steps, seconds });
      await sleep(Math.max(0, Math.min(due - performance.now(), left())));
      if (left() <= 0) return void count--;
      try {
        await step(cx, prepared, at);
      } catch (error) {
        add(statuses, error.code ?? error.message, 1);
        await sleep(pauseMs);
      }
    }
  };
  const all = Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  await Promise.race([all, sleep(1_000 * seconds)]);
  end();
  const report = JSON.stringify({ steps: count, statuses, notes });
  // Exiting aborts the requests in flight.
  process.stdout.write(`${report}\n`, () => process.exit());
}

await main(JSON.parse(process.argv[2]));
