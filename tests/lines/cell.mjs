// A measurement: jobs of one size over one simulated connection, compared with a plain transfer of the same
// number of bytes over the same connection.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../../scripts/failure.mjs";
import { must, serve } from "../../scripts/process.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { packet, stallMs, startLine } from "./shaper.mjs";

/** @typedef {{ direction: "down" | "up", kb: number, mbit: number, delay_ms: number, loss: number }} Cell */

/** The timeout for a page to load the package and send its first request to the tracker. */
const startMs = 60_000;

/**
 * The bytes on the wire per byte of a job. The tracker compresses its answers, in which each of 64 letters
 * takes six bits. Browsers do not compress their requests.
 */
export const onWire = { down: 0.75, up: 1 };

/** The bandwidth of a connection in bytes per second, without losses. */
export function capacity({ mbit }) {
  return mbit * 125_000;
}

/**
 * The expected rate of one TCP connection in bytes per second. It stalls for each lost packet, so with a
 * loss rate of 1 % it stays below 2 Mbit/s at any bandwidth.
 */
export function expectedRate({ mbit, loss }) {
  const stall = (stallMs[0] + stallMs[1]) / 2_000;
  return 1 / (1 / capacity({ mbit }) + (loss * stall) / packet);
}

/** The number of jobs for `seconds` at `rate` bytes per second, at least `least` and at most `most`. */
export function jobsFor({ kb }, { rate, seconds, least = 3, most = Infinity }) {
  const fit = Math.round((seconds * rate) / (1_000 * kb));
  return Math.min(most, Math.max(least, fit));
}

/** Starts a tracker with jobs of this kind. */
export async function startTracker(program, { direction, kb }, jobs) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-line-"));
  const database = `sqlite:${join(folder, "jobs.db")}`;
  const lines = join(folder, "jobs.jsonl");
  // Written one by one, because all of them may exceed the maximum length of a string.
  writeFileSync(lines, "");
  for (let job = 0; job < jobs; job++) {
    const noise = direction === "down" ? randomBytes(750 * kb).toString("base64url") : "";
    const made = direction === "up" ? kb : 0;
    writeFileSync(lines, `${JSON.stringify(`${made} ${noise}`)}\n`, { flag: "a" });
  }
  await must(program, ["import", "--database", database, "--jsonl", lines]);
  const at = ["serve", "--listen", "127.0.0.1:0", "--database", database, "--log", "warn"];
  const running = await serve(program, at, { ready: listeningOn });
  const stop = async () => {
    await running.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const counters = async () =>
    (await (await fetch(`${running.found}/api/status`)).json()).stages[0];
  return { url: running.found, pid: running.pid, counters, stop };
}

/** Measures the rate of a plain transfer, in bytes per second. */
export async function plainRate({ direction, mbit, delay_ms, loss }, { bytes, seed }) {
  const server = createServer((incoming, outgoing) => {
    if (incoming.method === "POST") incoming.resume().on("end", () => outgoing.end("ok"));
    else outgoing.end(Buffer.alloc(bytes, "x"));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const line = await startLine({ url, mbit, delayMs: delay_ms, loss, seed });
  const begun = performance.now();
  await new Promise((resolve, reject) => {
    const end = (answer) => answer.resume().on("end", resolve);
    if (direction === "down") return get(line.url, end).on("error", reject);
    const sending = request(line.url, { method: "POST" }, end).on("error", reject);
    sending.end(Buffer.alloc(bytes, "x"));
  });
  const seconds = (performance.now() - begun) / 1_000;
  await line.stop();
  server.close();
  server.closeAllConnections();
  return bytes / seconds;
}

/**
 * Measures the rate of completed jobs of a browser, in bytes of text per second. `wire` is the number of
 * bytes on the wire per byte, including jobs that were granted in vain.
 */
export async function measuredRate(setting, cell, { jobs, seed, who = "engine", limitS, ...line }) {
  const { program, openPage } = setting;
  const tracker = await startTracker(program, cell, jobs);
  const { mbit, delay_ms: delayMs, loss } = { ...cell, ...line };
  const way = await startLine({ url: tracker.url, mbit, delayMs, loss, seed });
  const page = await openPage();
  try {
    await page.evaluate((given) => window.begin(given), { url: way.url, who, cores: 2 });
    // The measurement starts after the wasm and the workers are loaded.
    const opened = performance.now();
    while (way.down.bytes === 0) {
      if (performance.now() - opened > startMs)
        throw new Failure(`The page sent no request to the tracker for ${startMs / 1_000} s.`);
      await sleep(5);
    }
    const begun = performance.now();
    let done = 0;
    let last = begun;
    // The first quarter does not count, in which the client adapts to the connection.
    let first = { done: 0, at: begun };
    while (done < jobs && performance.now() - begun < 1_000 * limitS) {
      const { done: now } = await tracker.counters();
      if (now > done) [done, last] = [now, performance.now()];
      if (first.done === 0 && done >= jobs / 4) first = { done, at: last };
      await sleep(Math.min(100, 2 * limitS));
    }
    const { faults, status } = await page.evaluate(() => window.report());
    if (faults.length > 0) throw new Error(`The page says: ${faults.join("; ")}`);
    // If the time is over before all jobs are done, the whole time counts.
    const end = done < jobs ? performance.now() : last;
    // If all results arrived at once, the first quarter has to count too.
    if (first.done === done) first = { done: 0, at: begun };
    const rate = (1_000 * cell.kb * (done - first.done)) / ((end - first.at) / 1_000);
    const { granted } = await tracker.counters();
    const wire = way[cell.direction].bytes / (1_000 * cell.kb * Math.max(1, granted));
    return { rate, done, granted, wire, status };
  } finally {
    await page.close();
    await way.stop();
    await tracker.stop();
  }
}
