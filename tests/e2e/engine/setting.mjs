// A tracker with jobs that say what is to be done with them, a page with a volunteer from another
// origin, and the network between the two.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { buildPackage } from "../../../scripts/build.mjs";
import { must, serve } from "../../../scripts/process.mjs";
import { testTracker } from "../../../scripts/servers.mjs";
import { listeningOn } from "../../../scripts/start.mjs";
import { patienceMs } from "../browser.mjs";
import { untilTrue } from "../sample.mjs";
import { startProxy } from "./proxy.mjs";

/** The shortest lease with which a client syncs three times in it. */
export const shortLeaseS = 6;

/** Long enough that no test that is not about leases sees one end. */
export const longLeaseS = 60;

/** So many jobs that are all the same. */
export const jobs = (count, job) => Array.from({ length: count }, () => job);

/**
 * A tracker with stage a and a database of its own; `kill` and `restart` keep address and database.
 *
 * @param {import("node:test").TestContext} t ends it with the test
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
    /** The counters of its stage. */
    books: async () => (await (await fetch(`${url}/api/status`)).json()).stages[0],
    /** All outputs, by number of job. */
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

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/**
 * The folder `page` and the package, from an origin of their own.
 *
 * @param {import("node:test").TestContext} t
 * @param {{ prelude?: () => string }} wanted `prelude` says what the worker script begins with
 */
export async function startSite(t, { prelude = () => "" } = {}) {
  const folders = {
    pkg: await buildPackage(),
    page: fileURLToPath(new URL("page", import.meta.url)),
  };
  const server = createServer((incoming, outgoing) => {
    const [, folder, ...rest] = new URL(incoming.url, "http://localhost").pathname.split("/");
    const name = rest.join("/") || "index.html";
    try {
      if (name.includes("..")) throw new Error("out of the folder");
      const file = readFileSync(join(folders[folder], name));
      // What a browser would have to be broken for, its workers are given.
      const body = name === "worker.js" ? `${prelude()}\n${file}` : file;
      const type = types[extname(name)] ?? "text/plain";
      outgoing.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
    } catch {
      outgoing.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.close(), server.closeAllConnections()));
  return `http://127.0.0.1:${server.address().port}/page/`;
}

/**
 * All of it but the browser.
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
 * A tab in which a volunteer computes.
 *
 * @param {import("playwright-core").BrowserContext} context
 * @param {{ site: string, url: string } & object} options `url` is the tracker's, through whatever;
 *   the rest is for the class
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
 * Until `fits` is true in the page, which may be hidden.
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
 * Until what the browser keeps fits.
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

/** What handlers have told of this kind, of one job or of all. */
export function notesOf(page, kind, job) {
  const fits = ([kind, job]) =>
    window.notes.filter((one) => one.note === kind && (!job || one.job === job));
  return page.evaluate(fits, [kind, job]);
}

/**
 * Asks for the tracker's counters until they fit.
 *
 * @param {Awaited<ReturnType<typeof startTracker>>} tracker
 * @param {(books: any) => boolean} fits
 */
export async function untilBooks(tracker, fits, timeout = 60_000) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const books = await tracker.books();
    if (fits(books)) return books;
    assert.ok(Date.now() < deadline, `never ${fits}: ${JSON.stringify(books)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * Until all jobs are done; then each of them is in the books once, and no lease was ever lost.
 *
 * @param {Awaited<ReturnType<typeof startTracker>>} tracker
 * @param {number} count
 */
export async function allDoneOnce(tracker, count) {
  const { accepted, rejected, lost, failed, held } = await untilBooks(
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

/** No handler has begun a job that another had begun before. */
export async function nothingBegunTwice(page) {
  const begun = (await notesOf(page, "begin")).map(({ job }) => job);
  assert.equal(new Set(begun).size, begun.length, `begun: ${begun}`);
}
