// One cell: jobs of one size on one line, until all of them are done, against one plain transfer of
// as many bytes over the same line.

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

/** How long a page may take to load the package and to say the first word to its tracker. */
const startMs = 60_000;

/**
 * What a job of random text takes on the wire, for each byte of it: one of 64 letters is six bits to the
 * tracker, which compresses its answers. A browser does not compress what it sends.
 */
export const onWire = { down: 0.75, up: 1 };

/** How many bytes a second a line brings when nothing is lost on it. */
export function capacity({ mbit }) {
  return mbit * 125_000;
}

/**
 * How many bytes a second one connection is likely to bring over a line: it stands still for each lost
 * packet, so at 1 % it brings less than 2 Mbit/s whatever the line could carry.
 */
export function expectedRate({ mbit, loss }) {
  const stall = (stallMs[0] + stallMs[1]) / 2_000;
  return 1 / (1 / capacity({ mbit }) + (loss * stall) / packet);
}

/** How many jobs take so long at `rate` bytes of text a second, at least `least` and at most `most`. */
export function jobsFor({ kb }, { rate, seconds, least = 3, most = Infinity }) {
  const fit = Math.round((seconds * rate) / (1_000 * kb));
  return Math.min(most, Math.max(least, fit));
}

/** A tracker with jobs of this kind. */
export async function startTracker(program, { direction, kb }, jobs) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-line-"));
  const database = `sqlite:${join(folder, "jobs.db")}`;
  const lines = join(folder, "jobs.jsonl");
  // One after the other: all of them may not fit in a string.
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
  const books = async () => (await (await fetch(`${running.found}/api/status`)).json()).stages[0];
  return { url: running.found, pid: running.pid, books, stop };
}

/** How many bytes a second one plain transfer brings over a line. */
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
 * How many bytes of jobs a second a browser gets done, as text. `wire` is what each of them took on the
 * wire, all that was handed out counted.
 */
export async function measuredRate(setting, cell, { jobs, seed, who = "engine", limitS, ...line }) {
  const { program, openPage } = setting;
  const tracker = await startTracker(program, cell, jobs);
  const { mbit, delay_ms: delayMs, loss } = { ...cell, ...line };
  const way = await startLine({ url: tracker.url, mbit, delayMs, loss, seed });
  const page = await openPage();
  try {
    await page.evaluate((given) => window.begin(given), { url: way.url, who, cores: 2 });
    // The wasm and the workers are not what the line carries.
    const opened = performance.now();
    while (way.down.bytes === 0) {
      if (performance.now() - opened > startMs)
        throw new Failure(`The page has said nothing to its tracker for ${startMs / 1_000} s.`);
      await sleep(5);
    }
    const begun = performance.now();
    let done = 0;
    let last = begun;
    // From the first quarter on: how a browser comes to know its line is not measured here.
    let first = { done: 0, at: begun };
    while (done < jobs && performance.now() - begun < 1_000 * limitS) {
      const { done: now } = await tracker.books();
      if (now > done) [done, last] = [now, performance.now()];
      if (first.done === 0 && done >= jobs / 4) first = { done, at: last };
      await sleep(Math.min(100, 2 * limitS));
    }
    const { faults, status } = await page.evaluate(() => window.told());
    if (faults.length > 0) throw new Error(`The page says: ${faults.join("; ")}`);
    // Where not all are done, what counts is the time that there was.
    const end = done < jobs ? performance.now() : last;
    // All at once is no rate: then the beginning counts too.
    if (first.done === done) first = { done: 0, at: begun };
    const rate = (1_000 * cell.kb * (done - first.done)) / ((end - first.at) / 1_000);
    const { granted } = await tracker.books();
    const wire = way[cell.direction].bytes / (1_000 * cell.kb * Math.max(1, granted));
    return { rate, done, granted, wire, status };
  } finally {
    await page.close();
    await way.stop();
    await tracker.stop();
  }
}
