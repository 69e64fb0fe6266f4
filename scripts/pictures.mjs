// `npm run pictures`: the pictures of the documentation, made anew from the programs as they are: a recording of
// `distcompute map` with two browsers that join, and the volunteer page of the sample project.

import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "./browsers.mjs";
import { buildPackage, buildTracker } from "./build.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { npmCommand, root } from "./places.mjs";
import { endOnSignals, must } from "./process.mjs";
import { progress } from "./progress.mjs";
import { recordMap } from "./recording.mjs";
import { start } from "./start.mjs";
import { ensureBuildTools } from "./tools.mjs";

const usage = `npm run pictures [-- recording | page]

Makes docs/map-recording.svg and docs/volunteer-page.png anew. It takes two minutes on a quiet machine.`;

/** The most that a picture may weigh, so that a page with it loads quickly. */
const mostBytes = 1_500_000;

/** The packages that the command consists of, packed as npm publishes them and installed in a folder. */
async function installCommand(folder) {
  const [npm, ...first] = npmCommand();
  const call = (args) => must(npm, [...first, ...args], { cwd: folder });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const packages = ["volunteer-panel", "distcompute"].map((name) => join(root, "packages", name));
  const archives = [];
  for (const one of [await buildPackage(), ...packages]) {
    const { stdout } = await call(["pack", one, "--json"]);
    archives.push(`./${JSON.parse(stdout)[0].filename}`);
  }
  await call(["install", "--prefer-offline", "--no-audit", "--no-fund", ...archives]);
}

async function recording(browser) {
  const { "distcompute-tracker": tracker } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-recording-"));
  try {
    await progress({ what: "installing the command" }, () => installCommand(folder));
    const heading = { what: "recording distcompute map", about: "1 minute" };
    const svg = await progress(heading, (note) => recordMap({ browser, folder, tracker, note }));
    keep("map-recording.svg", (file) => writeFileSync(file, svg));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The volunteer page of the sample when 45 % of its poster are painted. */
async function volunteerPage(browser) {
  const dataDir = mkdtempSync(join(tmpdir(), "distcompute-picture-"));
  const running = await start({ dataDir, port: 0, print: () => {}, onLog: () => {} });
  try {
    await progress({ what: "painting the poster", about: "1 minute" }, async (note) => {
      const page = await browser.newPage({ viewport: { width: 1280, height: 960 } });
      // As many cores as a volunteer's machine has, whatever this one has.
      await page.addInitScript(() =>
        Object.defineProperty(navigator, "hardwareConcurrency", { get: () => 5 }),
      );
      await page.goto(running.volunteerUrl);
      await page.fill("#nickname", "Ada");
      await page.click("#start:enabled");
      await untilPainted(page, running.url, note);
      const shot = join(dataDir, "page.png");
      await page.screenshot({ path: shot, timeout: 180_000 });
      keep("volunteer-page.png", (file) => copyFileSync(shot, file));
    });
  } finally {
    await running.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function untilPainted(page, url, note) {
  for (;;) {
    const { jobs, stages } = await (await fetch(`${url}/api/status`)).json();
    const done = stages.at(-1).done / jobs;
    note(`${Math.round(100 * done)} %`);
    if (done >= 0.45) return;
    await page.waitForTimeout(500);
  }
}

/** Writes a picture of docs/, unless it is too large. */
function keep(name, write) {
  const file = join(root, "docs", name);
  write(file);
  const { size } = statSync(file);
  if (size > mostBytes) {
    throw new Failure(`docs/${name} has ${size} bytes, more than ${mostBytes}.`, {
      remedy: "make what it shows shorter or smaller",
    });
  }
  console.log(`${relative(root, file)}: ${Math.round(size / 1000)} KB`);
}

const makers = { recording, page: volunteerPage };

async function main(args) {
  if (args[0] === "--help") return console.log(usage);
  const unknown = args.find((arg) => !Object.hasOwn(makers, arg));
  if (unknown) throw new Failure(`Invalid option: ${unknown}`, { remedy: usage });
  endOnSignals();
  await ensureBuildTools();
  const executablePath = await ensureChromium();
  const browser = await chromium.launch({ executablePath, args: chromiumArgs() });
  try {
    for (const name of args.length > 0 ? args : Object.keys(makers)) await makers[name](browser);
  } finally {
    await browser.close();
  }
}

if (isMain(import.meta.url)) await runMain(main);
