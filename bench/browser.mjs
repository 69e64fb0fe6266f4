// The setup for measurements of the client: a browser that computes for a tracker behind a proxy.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../scripts/browsers.mjs";
import { buildPackage, buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { must, serve } from "../scripts/process.mjs";
import { listeningOn } from "../scripts/start.mjs";
import { startProxy } from "./proxy.mjs";
import { sqliteStore } from "./stores.mjs";

/**
 * Prepares a browser, the tracker, the client's package and a database with jobs.
 *
 * @param {{ jobs: number }} wanted
 */
export async function openSetting({ jobs }) {
  const packageDir = await buildPackage();
  const { "distcompute-tracker": program } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const store = await sqliteStore(folder);
  const lines = join(folder, "jobs.jsonl");
  const line = (_, index) => `{"shard":${index + 1}}\n`;
  writeFileSync(lines, Array.from({ length: jobs }, line).join(""));
  await must(program, ["import", "--database", await store.template(jobs), "--jsonl", lines]);
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
  });
  const close = async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const databases = { full: () => store.copy(jobs), empty: () => store.template("empty") };
  return { browser, program, packageDir, folder, databases, close };
}

/**
 * Opens the benchmark's page in a new browser context with a new tracker, for the duration of `work`.
 *
 * @template T
 * @param {Awaited<ReturnType<typeof openSetting>>} setting
 * @param {{ jobs?: "full" | "empty", delayMs?: number, old?: boolean }} wanted
 * @param {(place: { page: Page, tracker: { url: string, pid: number },
 *   proxy: Awaited<ReturnType<typeof startProxy>> }) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withPage(setting, { jobs = "full", delayMs, old }, work) {
  const tracker = await startTracker(setting, await setting.databases[jobs]());
  const proxy = await startProxy({ url: tracker.url, delayMs, old });
  const page = await Page.open(setting.browser, `${proxy.url}/bench/`);
  try {
    return await work({ page, tracker, proxy });
  } finally {
    await page.close();
    await proxy.stop();
    await tracker.stop();
  }
}

/** The timeout for opening a page. */
const openMs = 30_000;

/**
 * A page that is controlled through the DevTools protocol and not through Playwright, which observes
 * every request and thereby doubles its cost.
 */
export class Page {
  #answers = new Map();
  #last = 0;

  /** @param {import("playwright-core").Browser} browser */
  static async open(browser, url) {
    const page = new Page();
    page.devtools = await browser.newBrowserCDPSession();
    page.devtools.on("Target.receivedMessageFromTarget", ({ message }) => page.#receive(message));
    const { browserContextId } = await page.devtools.send("Target.createBrowserContext");
    page.profile = { browserContextId };
    const { targetId } = await page.devtools.send("Target.createTarget", { url, browserContextId });
    const { sessionId } = await page.devtools.send("Target.attachToTarget", { targetId });
    page.sessionId = sessionId;
    const deadline = performance.now() + openMs;
    const isReady = "() => document.readyState === 'complete' && !!window.begin";
    // Evaluating fails while the page has no execution context yet.
    while (!(await page.call(isReady).catch(() => false))) {
      if (performance.now() > deadline) throw new Failure(`${url} does not open.`);
      await sleep(20);
    }
    return page;
  }

  #receive(message) {
    const { id, ...answer } = JSON.parse(message);
    this.#answers.get(id)?.(answer);
    this.#answers.delete(id);
  }

  /** Calls a function in the page, given as source text, and resolves to its result. */
  async call(source, argument) {
    const id = ++this.#last;
    const expression = `(${source})(${JSON.stringify(argument) ?? ""})`;
    const params = { expression, awaitPromise: true, returnByValue: true };
    const message = JSON.stringify({ id, method: "Runtime.evaluate", params });
    const answer = new Promise((resolve) => this.#answers.set(id, resolve));
    await this.devtools.send("Target.sendMessageToTarget", { sessionId: this.sessionId, message });
    const { result, error } = await answer;
    const fault = error?.message ?? result.exceptionDetails?.exception?.description;
    if (fault) throw new Failure(`The page says: ${fault}`);
    return result.result.value;
  }

  /** The reports of the workers. Throws if one of them has failed. */
  async workers() {
    const { workers, faults } = await this.call("report");
    if (faults.length > 0) throw new Failure(`The page says: ${faults.join("; ")}`);
    return workers;
  }

  async close() {
    await this.devtools.send("Target.disposeBrowserContext", this.profile);
    await this.devtools.detach();
  }
}

async function startTracker({ program, packageDir }, database) {
  const served = { "/bench": fileURLToPath(new URL("page", import.meta.url)), "/pkg": packageDir };
  const files = Object.entries(served).flatMap(([path, from]) => ["--files", `${path}=${from}`]);
  const args = ["serve", "--listen", "127.0.0.1:0", "--database", database, "--log", "warn"];
  const { found, pid, stop } = await serve(program, [...args, ...files], {
    ready: listeningOn,
    onLine: (line) => console.error(line),
  });
  return { url: found, pid, stop };
}
