// A fleet: two trackers behind haproxy, on one PostgreSQL and one S3 store, with volunteers who work while one
// tracker is killed, the store is away and the database is restarted. Afterwards everything that was answered is
// compared with what is there.

import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../../scripts/failure.mjs";
import { compare, sweep } from "./checks.mjs";
import { sizesOf, stages, startSetting } from "./setting.mjs";
import { Report, Volunteer } from "./volunteer.mjs";

/** How long nothing may be accepted before the run is given up, besides the time in which the store is away. */
const patienceMs = 300_000;

/** How long a tracker, and the database, are away. */
const awayMs = 3_000;

/** The shares of the results after which something fails. */
const moments = { tracker: 0.1, store: 0.3, database: 0.65 };

/**
 * Runs a fleet. Rejects if anything was lost, done twice, or left behind.
 *
 * @param {{ program: string, bin?: string, env: Record<string, string>, browsers: number, jobs: number,
 *   bytes: number, storeAwayS: number, log?: (line: string) => void }} wanted `program` is a tracker that knows the
 *   stores of clouds, `env` says where the store is, and `bytes` is the size of a file
 */
export async function runFleet(wanted) {
  const { log = () => {}, browsers, jobs, storeAwayS } = wanted;
  const ending = new AbortController();
  const setting = await startSetting(wanted);
  try {
    const { url, trackers, postgres, gate, store } = setting;
    const report = new Report(jobs);
    const sizeOf = sizesOf(wanted);
    const { signal } = ending;
    // All volunteers wait for it.
    setMaxListeners(0, signal);
    const volunteer = (name, index) => {
      const address = `10.1.${index >> 8}.${index & 255}`;
      return new Volunteer({ url, name, address, report, sizeOf, signal });
    };
    const begun = performance.now();
    const orphan = await volunteer("leaver", browsers).leave("a");
    const working = Array.from({ length: browsers }, (_, index) =>
      // Every second one begins with the second stage, whose jobs come from the others.
      volunteer(`browser ${index}`, index).work(index % 2 ? [...stages].reverse() : stages),
    );
    const all = Promise.all(working);
    // Whoever waits for results hears of it.
    all.catch(() => {});
    const until = (share) => progress(report, share * jobs * stages.length, all);

    await until(moments.tracker);
    log(`${report.count} results: a tracker is killed`);
    await trackers[0].kill();
    await sleep(awayMs);
    await trackers[0].start();

    await until(moments.store);
    log(`${report.count} results: the store is away for ${storeAwayS} s`);
    const probe = startProbe(url);
    await gate.refuse();
    await sleep(500 * storeAwayS);
    await gate.silence();
    await sleep(500 * storeAwayS);
    const { slowestMs, failed } = await probe.stop();
    await gate.open();
    log(
      `${report.count} results: it is back; the slowest answer without files took ${slowestMs} ms`,
    );
    if (failed > 0) throw new Failure(`${failed} calls without files failed while it was away.`);

    await until(moments.database);
    log(`${report.count} results: the database is restarted`);
    await postgres.halt();
    await sleep(awayMs);
    await postgres.resume();

    await until(1);
    await all;
    const seconds = (performance.now() - begun) / 1_000;
    log(`all ${report.count} results after ${seconds.toFixed(0)} s`);
    if (report.faults.length > 0) throw new Failure(report.faults.join("\n"));
    const named = await compare(setting, report, sizeOf);
    log(`${named.size} files are there and have their hashes`);
    const swept = await sweep(setting, named, orphan);
    log(`swept: ${swept.files} files and ${swept.parts} parts that nothing names`);
    return {
      seconds,
      results: report.count,
      repeated: report.repeated,
      rejected: report.rejected.length,
      bytes: report.bytes,
      files: named.size,
      slowestMs,
      swept,
      multiparts: await store.multiparts(),
      trackersMb: trackers.map(({ peak }) => peak()),
    };
  } finally {
    ending.abort();
    await setting.stop();
  }
}

/** Waits for so many results. Rejects if a volunteer fails, or if nothing is accepted for a long time. */
async function progress(report, count, all) {
  let failed;
  all.catch((error) => (failed = error));
  let last = { count: report.count, at: performance.now() };
  while (report.count < count) {
    if (failed) throw failed;
    if (report.count > last.count) last = { count: report.count, at: performance.now() };
    if (performance.now() - last.at > patienceMs) {
      const { rejected, faults } = report;
      const output = JSON.stringify({ rejected, faults }, undefined, 1);
      throw new Failure(`Nothing was accepted after ${last.count} results.`, { output });
    }
    await sleep(20);
  }
}

/** Makes a call without files again and again, and notes how long the slowest takes. */
function startProbe(url) {
  let slowest = 0;
  let failed = 0;
  let over = false;
  const probing = (async () => {
    while (!over) {
      const since = performance.now();
      const answer = await fetch(`${url}/api/status`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.status !== 200) failed += 1;
      slowest = Math.max(slowest, performance.now() - since);
      await sleep(100);
    }
  })();
  return {
    stop: async () => {
      over = true;
      await probing;
      return { slowestMs: Math.round(slowest), failed };
    },
  };
}
