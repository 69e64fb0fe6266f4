// The setup of the engine tests: a tracker whose jobs name the action of the handler, a page with a
// volunteer at another origin, and a proxy between the two.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { buildPackage } from "../../../scripts/build.mjs";
import { must, serve } from "../../../scripts/process.mjs";
import { testTracker } from "../../../scripts/servers.mjs";
import { listeningOn } from "../../../scripts/start.mjs";
import { serveSite } from "../../site.mjs";
import { patienceMs } from "../browser.mjs";
import { untilTrue } from "../sample.mjs";
import { startProxy } from "./proxy.mjs";

/** The shortest lease within which a client syncs three times. */
export const shortLeaseS = 6;

/** Long enough not to expire in tests that are not about leases. */
export const longLeaseS = 60;

/** A list of identical jobs. */
export const jobs = (count, job) => Array.from({ length: count }, () => job);

/**
 * Starts a tracker with stage a and a new database. `kill` and `restart` keep its address and database.
 *
 * @param {import("node:test").TestContext} t stops the tracker when the test ends
 * @param {{ jobs: object[], leaseS?: number, maxAttempts?: number, args?: string[] }} wanted
 */
export async function startTracker(t, wanted) {
  const { jobs: list, leaseS = longLeaseS, maxAttempts = 1, args = [] } = wanted;
  const program = await testTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-engine-"));
  const database = `sqlite:${join(folder, "jobs.db")}`;
  const lines = join(folder, "jobs.jsonl");
  writeFileSync(lines, list.map((job) => `${JSON.stringify(job)}\n`).join(""));
  await must(program, ["import", "--database", database, "--jsonl", lines]);
  const serveAt = (port, own) =>
    serve(
      program,
      [
        ...["serve", "--listen", `127.0.0.1:${port}`, "--database", database],
        ...["--project", "Engine tests", "--stage", "a=Work", "--public-results"],
        ...["--lease-s", String(leaseS), "--max-attempts", String(maxAttempts), ...own],
      ],
      { ready: listeningOn },
    );
  let running = await serveAt(0, args);
  const url = running.found;
  t.after(async () => {
    await running.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    url,
    kill: () => running.kill(),
    restart: async (own = args) => {
      running = await serveAt(new URL(url).port, own);
      assert.equal(running.found, url, "the tracker came back elsewhere");
    },
    /** The counters of stage a. */
    counters: async () => (await (await fetch(`${url}/api/status`)).json()).stages[0],
    /** All outputs with the numbers of their jobs. */
    results: async () => {
      const lines = await (await fetch(`${url}/api/results?stage=a&limit=10000`)).text();
      return lines.split("\n").filter(Boolean).map(parsed);
    },
  };
}

function parsed(line) {
  const { number, data } = JSON.parse(line);
  const mark = "<!json!>";
  return { number, output: data.startsWith(mark) ? JSON.parse(data.slice(mark.length)) : data };
}

/**
 * Serves the folder `page` and the package from an origin of their own.
 *
 * @param {import("node:test").TestContext} t stops the server when the test ends
 * @param {{ prelude?: () => string }} [options] `prelude` returns code to prepend to the worker script
 */
export async function startSite(t, options = {}) {
  const page = fileURLToPath(new URL("page", import.meta.url));
  const { url, stop } = await serveSite({ page, packageDir: await buildPackage(), ...options });
  t.after(stop);
  return url;
}

/**
 * Starts everything but the browser.
 *
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof startTracker>[1] & { old?: boolean, prelude?: () => string }} wanted
 */
export async function startSetting(t, { old, prelude, ...wanted }) {
  const tracker = await startTracker(t, wanted);
  const proxy = await startProxy(t, { url: tracker.url, old });
  return { tracker, proxy, site: await startSite(t, { prelude }) };
}

/**
 * Opens a tab and starts a volunteer in it.
 *
 * @param {import("playwright-core").BrowserContext} context
 * @param {{ site: string, url: string } & object} options `url` is the tracker's or a proxy's; further
 *   options are passed to `Volunteer`
 */
export async function openTab(context, { site, ...options }) {
  const page = await context.newPage();
  await page.goto(site);
  await begin(page, options);
  return page;
}

/** Starts a volunteer in a page that has been loaded. */
export async function begin(page, options) {
  await page.waitForFunction(() => window.ready, undefined, { timeout: patienceMs });
  await page.evaluate((given) => window.begin(given), options);
}

/**
 * Polls `fits` in the page, which may be hidden, until it is truthy. Resolves to its value.
 *
 * @param {import("playwright-core").Page} page
 * @param {(arg?: any) => any} fits
 */
export async function until(page, fits, arg, timeout = 40_000) {
  try {
    const handle = await page.waitForFunction(fits, arg, { polling: 50, timeout });
    return await handle.jsonValue();
  } catch (error) {
    const now = await page.evaluate(() => [window.volunteer?.status, window.reasons]);
    throw new Error(`${fits} in ${JSON.stringify(now, undefined, 1)}`, { cause: error });
  }
}

/**
 * Polls the records in the browser's storage until they fit.
 *
 * @param {import("playwright-core").Page} page
 * @param {(kept: any[]) => boolean} fits
 */
export async function untilKept(page, fits) {
  await untilTrue(
    async () => fits(await page.evaluate(() => window.kept())),
    () => `never ${fits}`,
  );
}

export const statusOf = (page) => page.evaluate(() => window.volunteer.status);

/** The notes of this kind from handlers, of one job or of all. */
export function notesOf(page, kind, job) {
  const fits = ([kind, job]) =>
    window.notes.filter((one) => one.note === kind && (!job || one.job === job));
  return page.evaluate(fits, [kind, job]);
}

/**
 * Polls the tracker's counters until they fit.
 *
 * @param {Awaited<ReturnType<typeof startTracker>>} tracker
 * @param {(counters: any) => boolean} fits
 */
export async function untilCounters(tracker, fits, timeout = 60_000) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const counters = await tracker.counters();
    if (fits(counters)) return counters;
    assert.ok(Date.now() < deadline, `never ${fits}: ${JSON.stringify(counters)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * Waits until all jobs are done, and asserts that each was accepted once and no lease was lost.
 *
 * @param {Awaited<ReturnType<typeof startTracker>>} tracker
 * @param {number} count
 */
export async function allDoneOnce(tracker, count) {
  const { accepted, rejected, lost, failed, held } = await untilCounters(
    tracker,
    ({ done }) => done === count,
  );
  assert.deepEqual(
    { accepted, rejected, lost, failed, held },
    { accepted: count, rejected: 0, lost: 0, failed: 0, held: 0 },
  );
  const results = await tracker.results();
  const numbers = results.map(({ number }) => number).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, index) => index + 1),
  );
  return results;
}

/** Asserts that no job was started by two handlers. */
export async function nothingBegunTwice(page) {
  const begun = (await notesOf(page, "begin")).map(({ job }) => job);
  assert.equal(new Set(begun).size, begun.length, `begun: ${begun}`);
}
