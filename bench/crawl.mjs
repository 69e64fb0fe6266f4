// `npm run bench -- crawl`: how fast the kernels of the crawl example are in each engine and natively, and how a
// large archive passes through two browsers.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { loadavg, tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../scripts/browsers.mjs";
import { buildCrawl, buildCrawlProgram, buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { must } from "../scripts/process.mjs";
import { start } from "../scripts/start.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { readArguments as read } from "./arguments.mjs";
import { course, publish } from "./crawl-report.mjs";
import { engines, openEngine } from "./engines.mjs";
import { busySeconds, machineFacts, processesBelow, proportionalMb } from "./machine.mjs";

const every = { parts: ["kernels", "whole"], engines };

export const usage = `npm run bench -- crawl [options]

  --parts LIST     ${every.parts}: the stages one by one, and an archive through two browsers
  --engines LIST   ${every.engines}, for the stages
  --rounds N       how often the stages are measured; the least times count (3)
  --sample N       the size of their archive, in MB before compression (64)
  --megabytes N    the size of the archive for the browsers, in MB before compression (1024)
  --quick          one round with 8 MB, and 24 MB for the browsers

Each browser has one core, and a profile on the disk. The archive, its pieces, the files of the tracker and those of
the browsers take about ten times its size there. A run of everything takes about half an hour on two cores and writes
bench/results/; any other writes target/bench/.`;

/** @param {string[]} args */
export function readArguments(args) {
  const lists = { parts: { all: every.parts }, engines: { all: every.engines } };
  const numbers = { rounds: 3, sample: 64, megabytes: 1024 };
  const quick = { rounds: 1, sample: 8, megabytes: 24 };
  return read(args, { usage, lists, numbers, quick });
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  await ensureBuildTools();
  const kernelDir = await buildCrawl();
  const { crawl } = await buildCrawlProgram();
  const { "distcompute-tracker": tracker } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  try {
    const facts = await machineFacts({ folder });
    const programs = { crawl, tracker, kernelDir };
    const { parts } = wanted;
    const kernels = parts.includes("kernels") ? await measureKernels(wanted, programs, folder) : [];
    const whole = parts.includes("whole") ? await measureWhole(wanted, programs, folder) : [];
    publish({ kernels, whole, facts, wanted });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const steps = ["extract", "clean", "language", "sign", "pack"];

/** Each stage on all pieces of a made archive, natively and in each engine, by turns. */
async function measureKernels({ rounds, sample, engines }, { crawl, kernelDir }, folder) {
  const archives = join(folder, "sample");
  await must(crawl, ["sample", archives, String(sample)]);
  const archive = join(archives, "ordinary.warc.gz");
  const pieces = join(folder, "pieces");
  await must(crawl, ["jobs", archive, "--out", pieces]);
  const count = readdirSync(pieces).length - 1;
  const site = await serveFolders({
    "/kernel/": kernelDir,
    "/pieces/": pieces,
    "/": fileURLToPath(new URL("kernels", import.meta.url)),
  });
  const megabytes = { archive: statSync(archive).size / 2 ** 20, plain: sample };
  const figures = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      const { stdout } = await must(crawl, ["bench", archive]);
      const { milliseconds } = JSON.parse(stdout);
      const native = steps.map((step) => milliseconds[step]);
      for (const engine of ["native", ...engines]) {
        const busy = busySeconds();
        const since = performance.now();
        const { version = "", times = native } =
          engine === "native" ? {} : await inEngine(engine, `${site.url}/?pieces=${count}`);
        const seconds = (performance.now() - since) / 1000;
        const cores = engine === "native" ? null : (busySeconds() - busy) / seconds;
        const load = Number(loadavg()[0].toFixed(1));
        figures.push({ engine, version, ...megabytes, milliseconds: times, cores, load });
        const shown = times.map((time, at) => `${steps[at]} ${Math.round(time)}`).join(", ");
        console.log(`${engine} ${version}: ${shown} ms, load ${load}`);
      }
    }
  } finally {
    site.close();
  }
  return figures;
}

async function inEngine(engine, url) {
  const browser = await openEngine(engine, url);
  try {
    for (;;) {
      const measured = await browser.value("window.measured");
      if (measured?.error) throw new Failure(`${engine}: ${measured.error}`);
      if (measured) return { version: browser.version, times: measured.milliseconds };
      await sleep(1_000);
    }
  } finally {
    await browser.close();
  }
}

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** Serves files of folders by the beginnings of their paths. */
async function serveFolders(folders) {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const [prefix, folder] =
      Object.entries(folders).find(([start]) => path.startsWith(start)) ?? [];
    const file = resolve(folder, path.slice(prefix.length) || "index.html");
    try {
      const bytes = readFileSync(file);
      response.writeHead(200, {
        "content-type": types[extname(file)] ?? "application/octet-stream",
      });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** How often memory is looked at, and how often a line is printed, in milliseconds. */
const [lookMs, sayMs] = [2_000, 20_000];

/** The processes of which the memory is measured, by a part of their command lines. */
const roles = {
  "cutting the archive": /\/crawl jobs /,
  "import of the pieces": /\/distcompute-tracker import /,
  tracker: /\/distcompute-tracker serve /,
  "browser 1": /--user-data-dir=\S*\/profile-1 /,
  "browser 2": /--user-data-dir=\S*\/profile-2 /,
  export: /\/distcompute-tracker export /,
  "native run": /\/crawl run /,
};

/** Looks at the memory of all roles again and again. A browser consists of many processes. */
class Memory {
  /** @type {Map<string, { at: number, mb: number }[]>} */
  seen = new Map();
  #began = performance.now();
  #timer = setInterval(() => this.look(), lookMs);

  look() {
    const all = processesBelow(process.pid);
    for (const [role, pattern] of Object.entries(roles)) {
      // A browser's other processes have a type, and may have smaller numbers.
      const isFirst = (command) => pattern.test(`${command} `) && !command.includes(" --type=");
      const first = all.find(({ command }) => isFirst(command));
      if (!first) continue;
      const family = role.startsWith("browser") ? processesBelow(first.pid) : [];
      const sizes = [first, ...family].map(({ pid }) => proportionalMb(pid) ?? 0);
      const mb = sizes.reduce((sum, size) => sum + size, 0);
      const at = (performance.now() - this.#began) / 1000;
      this.seen.set(role, [...(this.seen.get(role) ?? []), { at, mb }]);
    }
  }

  latest(role) {
    return Math.round(this.seen.get(role)?.at(-1)?.mb ?? 0);
  }

  end() {
    clearInterval(this.#timer);
  }
}

/** An archive through two browsers, whose data set must be the native program's. */
async function measureWhole({ megabytes }, { crawl, tracker }, folder) {
  const archives = join(folder, "archives");
  await must(crawl, ["sample", archives, String(megabytes)]);
  const sizes = readdirSync(archives).map((name) => statSync(join(archives, name)).size);
  const compressed = sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
  console.log(`${megabytes} MB, ${Math.round(compressed)} MB compressed`);
  const memory = new Memory();
  const dataDir = join(folder, "data");
  const quiet = { print: () => {}, onLog: () => {} };
  const running = await start({ ...quiet, example: "crawl", archives, dataDir, port: 0 });
  const browsers = [];
  let busy;
  let seconds;
  try {
    for (const profile of ["profile-1", "profile-2"]) {
      browsers.push(await volunteer(folder, profile, running));
    }
    busy = busySeconds();
    const began = performance.now();
    await untilDone(running.url, megabytes, memory);
    seconds = (performance.now() - began) / 1000;
    busy = (busySeconds() - busy) / seconds;
  } finally {
    for (const browser of browsers) await browser.close();
    await running.stop();
  }
  const database = `sqlite:${join(dataDir, "crawl", "crawl.db")}`;
  const [results, files, made, native] = ["results.jsonl", "files", "made", "native"].map((name) =>
    join(folder, name),
  );
  const out = ["--output", results, "--files", files];
  await must(tracker, ["export", "--database", database, "--stage", "e", ...out]);
  await must(crawl, ["collect", results, "--files", files, "--out", made]);
  mkdirSync(native);
  const names = readdirSync(archives).sort();
  await must(crawl, ["run", ...names.map((name) => join(archives, name)), "--out", native]);
  memory.end();
  const shards = readdirSync(native);
  const differ = shards.filter(
    (name) => !readFileSync(join(native, name)).equals(readFileSync(join(made, name))),
  );
  if (differ.length > 0 || readdirSync(made).length !== shards.length) {
    throw new Failure(`The data set differs from the native one: ${differ.slice(0, 5)}`);
  }
  await must(crawl, ["join", made]);
  const card = JSON.parse(readFileSync(join(made, "card.json"), "utf8"));
  const load = Number(loadavg()[0].toFixed(1));
  const all = { megabytes, compressed, pieces: shards.length, seconds, busy, load };
  const ranges = [...memory.seen].map(([what, looks]) => ({ what, ...course(looks) }));
  return [{ what: "all", ...all, pages: card.pages, duplicates: card.duplicates }, ...ranges];
}

/** A browser with a profile of its own on the disk, as people have, at work. */
async function volunteer(folder, profile, { volunteerUrl }) {
  const context = await chromium.launchPersistentContext(join(folder, profile), {
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
  });
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(volunteerUrl);
  await page.click("#start:enabled");
  return context;
}

async function untilDone(url, megabytes, memory) {
  const began = performance.now();
  for (let said = -Infinity; ; await sleep(500)) {
    const { jobs, closed } = await (await fetch(`${url}/api/status`)).json();
    const seconds = (performance.now() - began) / 1000;
    if (seconds * 1000 - said >= sayMs || closed === jobs) {
      said = seconds * 1000;
      const rate = (megabytes * closed) / jobs / seconds;
      const of = (role) => `${role} ${memory.latest(role)} MB`;
      const parts = ["browser 1", "browser 2", "tracker"].map(of);
      const load = loadavg()[0].toFixed(1);
      const done = `${closed} of ${jobs}, ${rate.toFixed(2)} MB/s`;
      console.log(`${Math.round(seconds)} s: ${done}, ${parts.join(", ")}, load ${load}`);
    }
    if (closed === jobs) return;
  }
}
