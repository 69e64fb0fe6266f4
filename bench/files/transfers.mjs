// Transfers of files, by the client in a browser and by curl.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../../scripts/failure.mjs";
import { must } from "../../scripts/process.mjs";
import { Page } from "../browser.mjs";
import { peakMb } from "../machine.mjs";
import { adminToken, filesOf, startTracker } from "./setting.mjs";

/** @typedef {{ store: "folder" | "s3", direction: "down" | "up", bytes: number, count: number }} Cell */

/** How long a cell may take. */
const limitMs = 300_000;

const cores = 2;

/** The jobs of a cell, and the files that they name. */
function jobsOf(setting, { direction, bytes, count }) {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  if (direction === "up") return { jobs: numbers.map(() => ({ bytes })) };
  const jobs = numbers.map((n) => ({ file: { $file: `./${n}` } }));
  return { jobs, files: filesOf(setting, { bytes, count }) };
}

/**
 * Has a volunteer in a browser do the jobs. `rate` is of the transfers alone, in bytes a second: down, from the first
 * request to the last file at hand; up, from the first part that is sent to the last that is there. `counted` is from
 * the same moment until the tracker has counted all jobs.
 *
 * @param {Cell} cell
 */
export async function byBrowser(setting, cell) {
  const { store, direction, bytes, count } = cell;
  const tracker = await startTracker(setting, { store, ...jobsOf(setting, cell) });
  const page = await Page.open(setting.browser, `${await setting.lineTo(tracker.url)}/bench/`);
  try {
    await page.call("begin", { cores });
    const deadline = performance.now() + limitMs;
    while ((await tracker.done()) < count) {
      if (performance.now() > deadline) {
        const report = JSON.stringify(await page.call("report"));
        throw new Failure(`Not all of ${count} files arrived.`, { output: report });
      }
      await sleep(20);
    }
    const counted = Date.now();
    const { marks, faults } = await page.call("report");
    if (faults.length > 0) throw new Failure(`The page says: ${faults.join("; ")}`);
    const [begun, ended] =
      direction === "down"
        ? [marks["file begun"], marks["file at hand"]]
        : [marks["part begun"], marks["part answered"]];
    if (ended.count < count) throw new Failure(`Only ${ended.count} files of ${count} were seen.`);
    const rate = (until) => (1_000 * bytes * count) / (until - begun.first);
    return { rate: rate(ended.last), counted: rate(counted), trackerMb: peakMb(tracker.pid) };
  } finally {
    await page.close();
    await tracker.stop();
  }
}

/**
 * The same files by curl, one after the other over one connection.
 *
 * @param {Cell} cell
 */
export async function byCurl(setting, cell) {
  const { store, direction, bytes, count } = cell;
  const tracker = await startTracker(setting, { store, ...jobsOf(setting, cell) });
  try {
    const url = await setting.lineTo(tracker.url);
    const transfers =
      direction === "down"
        ? await addressesOf(setting, cell, tracker, url)
        : await uploadsOf(setting, cell, tracker, url);
    const config = join(setting.folder, "curl.txt");
    writeFileSync(config, transfers.map((lines) => lines.join("\n")).join("\n"));
    const { stdout } = await must("curl", [
      ...["--silent", "--show-error", "--fail", "--config", config, ...setting.curlArgs],
      // Without it curl waits until a server says that it may send.
      ...["--header", "Expect:", "--header", `Authorization: ${bearer(cell)}`],
      ...["--write-out", "%{time_total} %{size_download} %{size_upload}\\n"],
    ]);
    const lines = stdout.trim().split("\n");
    const sum = (column) => lines.reduce((all, line) => all + Number(line.split(" ")[column]), 0);
    const moved = sum(direction === "down" ? 1 : 2);
    if (moved !== bytes * count) throw new Failure(`curl moved ${moved} bytes.`);
    return { rate: moved / sum(0), trackerMb: peakMb(tracker.pid) };
  } finally {
    await tracker.stop();
  }
}

/** The tracker is asked as its owner, and a store by signed addresses, beside which it takes no other secret. */
const bearer = ({ store }) => (store === "s3" ? "" : `Bearer ${adminToken}`);

const quoted = (text) => `"${text}"`;
const owner = { authorization: `Bearer ${adminToken}` };

/** What curl fetches: addresses of the tracker, or those to which it redirects. */
async function addressesOf(setting, cell, tracker, url) {
  const folder = filesOf(setting, cell);
  const entry = (address) => [`url = ${quoted(address)}`, `output = ${quoted("/dev/null")}`];
  return await Promise.all(
    readdirSync(folder).map(async (name) => {
      const hash = createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex");
      const path = `/api/files/sha256-${hash}`;
      if (cell.store === "folder") return entry(url + path);
      const answer = await fetch(tracker.url + path, { headers: owner, redirect: "manual" });
      return entry(answer.headers.get("location"));
    }),
  );
}

/** What curl sends: a file at a time to a store, and to the tracker its parts. */
async function uploadsOf(setting, { store, bytes, count }, tracker, url) {
  const folder = filesOf(setting, { bytes, count });
  const entries = [];
  for (const name of readdirSync(folder)) {
    const headers = { ...owner, "content-type": "application/json" };
    const body = JSON.stringify({ bytes });
    const answer = await fetch(`${tracker.url}/api/uploads`, { method: "POST", headers, body });
    const { parts, part_bytes } = await answer.json();
    const file = join(folder, name);
    const add = (from, address) =>
      entries.push([
        ...[`upload-file = ${quoted(from)}`, `url = ${quoted(new URL(address, `${url}/`).href)}`],
        `output = ${quoted("/dev/null")}`,
      ]);
    if (store === "s3" || parts.length === 1) {
      add(file, parts[0].url);
      continue;
    }
    const whole = readFileSync(file);
    for (const { number, url: address } of parts) {
      const part = join(setting.folder, `part-${name}-${number}`);
      writeFileSync(part, whole.subarray(number * part_bytes, (number + 1) * part_bytes));
      add(part, address);
    }
  }
  return entries;
}
