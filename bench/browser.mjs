// A browser that works for a tracker behind a proxy: what every measurement of the client needs.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../scripts/browsers.mjs";
import { buildPackage, buildTracker } from "../scripts/build.mjs";
import { must, serve } from "../scripts/process.mjs";
import { listeningOn } from "../scripts/start.mjs";
import { startProxy } from "./proxy.mjs";
import { sqliteStore } from "./stores.mjs";

/**
 * A browser, the tracker's program, the client's package and a database with jobs.
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
 * The benchmark's page in a browser profile of its own, on a tracker of its own, for as long as
 * `work` takes.
 *
 * @template T
 * @param {Awaited<ReturnType<typeof openSetting>>} setting
 * @param {{ jobs?: "full" | "empty", delayMs?: number, old?: boolean }} wanted
 * @param {(place: { page: import("playwright-core").Page, faults: string[],
 *   tracker: { url: string, pid: number },
 *   proxy: Awaited<ReturnType<typeof startProxy>> }) => Promise<T>} work `faults` grows by what
 *   went wrong on the page and in its workers
 * @returns {Promise<T>}
 */
export async function withPage(setting, { jobs = "full", delayMs, old }, work) {
  const tracker = await startTracker(setting, await setting.databases[jobs]());
  const proxy = await startProxy({ url: tracker.url, delayMs, old });
  const context = await setting.browser.newContext();
  const faults = [];
  try {
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (said) => said.type() === "error" && faults.push(said.text()));
    await page.goto(`${proxy.url}/bench/`);
    return await work({ page, faults, tracker, proxy });
  } finally {
    await context.close();
    await proxy.stop();
    await tracker.stop();
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
