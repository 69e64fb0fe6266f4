// What files are measured with: a browser, the lines in front of trackers and of the store, and files.

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../../scripts/browsers.mjs";
import { must, serve } from "../../scripts/process.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { startLine } from "../../tests/lines/shaper.mjs";

export const adminToken = "the secret of a benchmark";

/**
 * Prepares a browser, which reaches the store over a line of `mbit`, or without one where that is 0.
 *
 * @param {{ program: string, packageDir: string, folder: string, env: Record<string, string>, mbit: number }} given
 */
export async function openSetting({ program, packageDir, folder, env, mbit }) {
  const lines = [];
  /** The address at which a server is reached over the line. */
  const lineTo = async (url) => {
    if (mbit === 0) return url;
    const line = await startLine({ url, mbit });
    lines.push(line);
    return line.url;
  };
  // The tracker reaches the store at its own address, which it signs. Only volunteers are behind the line.
  const store = new URL(env.AWS_ENDPOINT).host;
  const way = new URL(await lineTo(env.AWS_ENDPOINT)).host;
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: [
      ...chromiumArgs(),
      ...(way === store ? [] : [`--host-resolver-rules=MAP ${store} ${way}`]),
    ],
  });
  const close = async () => {
    await browser.close();
    for (const line of lines) await line.stop();
  };
  const curlArgs = way === store ? [] : ["--connect-to", `${store}:${way}`];
  return { program, packageDir, folder, env, browser, lineTo, curlArgs, close };
}

const made = new Map();

/** A folder with `count` files of random bytes, which are called by their numbers. */
export function filesOf({ folder }, { bytes, count }) {
  const key = `${bytes}-${count}`;
  if (!made.has(key)) {
    const own = join(folder, key);
    mkdirSync(own);
    for (let n = 1; n <= count; n++) writeFileSync(join(own, String(n)), randomBytes(bytes));
    made.set(key, own);
  }
  return made.get(key);
}

/**
 * Starts a tracker with a new database.
 *
 * @param {{ program: string, packageDir: string, folder: string, env: Record<string, string> }} setting
 * @param {{ store: "folder" | "s3", jobs: object[], files?: string }} wanted `files` is the folder of the files
 *   that the jobs name
 */
export async function startTracker({ program, packageDir, folder, env }, { store, jobs, files }) {
  const own = mkdtempSync(join(folder, "tracker-"));
  const list = join(own, "jobs.jsonl");
  writeFileSync(list, jobs.map((job) => `${JSON.stringify(job)}\n`).join(""));
  const place =
    store === "s3" ? `s3://${env.DISTCOMPUTE_TEST_BUCKET}/bench` : join(folder, "files-of-jobs");
  const where = ["--database", `sqlite:${join(own, "jobs.db")}`, "--object-store", place];
  const environment = { ...process.env, ...env, DISTCOMPUTE_ADMIN_TOKEN: adminToken };
  const from = files === undefined ? [] : ["--files", files];
  await must(program, ["import", ...where, "--jsonl", list, ...from], { env: environment });
  const page = fileURLToPath(new URL("page", import.meta.url));
  const served = ["--files", `/bench=${page}`, "--files", `/pkg=${packageDir}`];
  // The page sends to a store of another origin.
  const args = ["serve", ...where, "--listen", "127.0.0.1:0", "--log", "warn", ...served];
  const running = await serve(program, [...args, "--files-policy", ""], {
    env: environment,
    ready: listeningOn,
    onLine: (line) => console.error(line),
  });
  const url = running.found;
  return {
    url,
    pid: running.pid,
    stop: running.stop,
    done: async () => (await (await fetch(`${url}/api/status`)).json()).stages[0].done,
  };
}
