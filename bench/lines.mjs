// `npm run bench -- lines`: the throughput of jobs of different sizes over simulated connections, compared
// with a single plain transfer, for the engine and for the loop with five calls per job.

import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../scripts/browsers.mjs";
import { buildPackage, buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { root } from "../scripts/places.mjs";
import { hashOf } from "../scripts/stamp.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { expectedRate, jobsFor, measuredRate, onWire, plainRate } from "../tests/lines/cell.mjs";
import { serveSite } from "../tests/site.mjs";
import { readArguments as read } from "./arguments.mjs";
import { openKept } from "./kept.mjs";
import {
  cells,
  isQuiet,
  lineOf,
  longestFirst,
  merged,
  nameOf,
  secondsOf,
  shareOnWire,
  sideBySide,
  without,
} from "./lines-plan.mjs";
import { howText, publish, published } from "./lines-report.mjs";
import { machineFacts } from "./machine.mjs";

const every = {
  directions: ["down", "up"],
  kb: ["1", "25", "200", "3000"],
  mbit: ["0.25", "1", "4", "20", "100"],
  delays: ["50", "300"],
  losses: ["0", "0.01"],
  who: ["engine", "five"],
  parts: ["together", "alone"],
};

export const usage = `npm run bench -- lines [options]

  --directions LIST  ${every.directions}
  --kb LIST          what a job weighs, in kilobytes: ${every.kb}
  --mbit LIST        what the line carries, each way: ${every.mbit}
  --delays LIST      of a round trip, in ms: ${every.delays}
  --losses LIST      shares of packets: ${every.losses}
  --who LIST         ${every.who}
  --parts LIST       ${every.parts}: slow cells are measured side by side, and then
                     quick ones one at a time, for which the machine should be quiet
  --together N       how many slow cells are measured side by side (8)
  --seconds N        how long a line is kept busy in each cell, at least three jobs long, and
                     twice as long where packets are lost (20)
  --seed N           of the losses (1)
  --resume           goes on with what the last run has measured of the same build
  --publish          writes bench/results/ though cells are missing, which the report names
  --add              keeps what bench/results/ says of the cells that this run does not measure
  --quick            5 s

A run of everything takes about an hour. It writes bench/results/; any other writes target/bench/.
Each figure is in target/bench/lines.jsonl as soon as it is known, so a run may be interrupted.`;

/** @param {string[]} args */
export function readArguments(args) {
  const number = { takes: (word) => Number(word) >= 0 };
  const lists = {
    directions: { all: every.directions },
    kb: { all: every.kb, ...number },
    mbit: { all: every.mbit, ...number },
    delays: { all: every.delays, ...number },
    losses: { all: every.losses, ...number },
    who: { all: every.who },
    parts: { all: every.parts },
  };
  const numbers = { seconds: 20, seed: 1, together: 8 };
  const wanted = read(args, {
    ...{ usage, lists, numbers, switches: ["resume", "publish", "add"], quick: { seconds: 5 } },
    harmless: ["seconds", "together", "resume", "publish"],
  });
  const of = (name) => wanted[name].map(Number);
  return {
    ...wanted,
    ...{ kb: of("kb"), mbit: of("mbit"), delays: of("delays"), losses: of("losses") },
  };
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  await ensureBuildTools();
  const setting = await openSetting();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  try {
    const facts = [...(await machineFacts({ folder })), `Chromium ${setting.browser.version()}`];
    const { figures: measured, failed } = await measureAll(setting, wanted);
    const whole = readArguments([]);
    const figures = wanted.add ? merged(whole, published(), measured) : measured;
    const missing = without(whole, figures);
    const everything =
      wanted.publish || ((wanted.everything || wanted.add) && missing.length === 0);
    publish({
      figures,
      facts,
      how: howText({ ...wanted, figures, missing: everything ? missing : [] }),
      everything,
    });
    if (failed > 0)
      throw new Failure(`Not measured: ${failed} cells.`, {
        why: "The errors above explain why.",
        remedy: "run it again with --resume, which measures what is missing",
      });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await setting.close();
  }
}

async function measureAll(setting, wanted) {
  const { seconds, seed, who, parts, together } = wanted;
  const file = join(root, "target", "bench", "lines.jsonl");
  const from = JSON.stringify({ seconds, seed, who, build: setting.build });
  const kept = openKept({ file, from, resume: wanted.resume });
  const all = cells(wanted);
  const found = new Map();
  let failed = 0;
  const one = (beside) => async (cell) => {
    const name = nameOf(cell);
    const isNew = !kept.has(name);
    try {
      const figure = await kept.of(name, () => measure(setting, kept, cell, wanted, beside));
      found.set(cell, figure);
      if (isNew) logFigure(figure);
    } catch (error) {
      failed += 1;
      console.error(`${name}: ${error.message}`);
    }
  };
  if (parts.includes("together")) {
    const quiet = longestFirst(all.filter(isQuiet));
    const lines = new Map(quiet.map((cell) => [nameOf(lineOf(cell)), cell]));
    // Plain transfers first, because all cells with the same connection depend on them.
    await sideBySide(lines.values(), together, (cell) => plainOf(kept, cell, wanted));
    await sideBySide(quiet, together, one(together));
  }
  if (parts.includes("alone")) {
    const busy = all.filter((cell) => !isQuiet(cell));
    await sideBySide(busy, 1, one(1));
  }
  return { figures: all.flatMap((cell) => found.get(cell) ?? []), failed };
}

/** The rate of a plain transfer over the connection of a cell, in bytes per second on the wire. */
function plainOf(kept, cell, { seconds, seed }) {
  const line = lineOf(cell);
  const bytes = Math.round(secondsOf(line, seconds) * expectedRate(line));
  return kept.of(nameOf(line), () => plainRate(line, { bytes, seed }));
}

/** Below this rate in bytes per second, the connection is the bottleneck and not the browser. */
const surelyLine = 1e6;

/** Parameters for an unshaped connection: a rate above that of any browser, with a limit for memory. */
const unshapedJobs = { rate: 25e6, seconds: 10, most: 8_000 };

/** The rate of a browser with jobs of this size over an unshaped connection, in bytes per second. */
function unshapedOf(setting, kept, { direction, kb }, { seconds, seed }) {
  const cell = { direction, kb, mbit: Infinity, delay_ms: 0, loss: 0 };
  const terms = { jobs: jobsFor(cell, unshapedJobs), seed, limitS: 10 * seconds };
  return kept.of(nameOf(cell), async () => (await measuredRate(setting, cell, terms)).rate);
}

/** The duration for the loop of five calls, which is at full speed from the start. */
const fiveS = 8;

async function measure(setting, kept, cell, wanted, beside) {
  const { seconds, seed, who } = wanted;
  const plain = (await plainOf(kept, cell, wanted)) / onWire[cell.direction];
  const unshaped = plain > surelyLine ? await unshapedOf(setting, kept, cell, wanted) : undefined;
  const bound = Math.min(plain, unshaped ?? Infinity);
  const jobs = jobsFor(cell, { rate: bound, seconds: secondsOf(cell, seconds) });
  const ofBound = (jobs) => (1_000 * cell.kb * jobs) / bound;
  const run = { jobs, seed, who: "engine", limitS: 3 * ofBound(jobs) + 15 };
  const ours = who.includes("engine") ? await measuredRate(setting, cell, run) : undefined;
  const few = jobsFor(cell, { rate: bound, seconds: Math.min(seconds, fiveS), least: 1 });
  const loop = { jobs: few, seed, who: "five", limitS: 1.5 * ofBound(few) + fiveS };
  const five = who.includes("five") ? await measuredRate(setting, cell, loop) : undefined;
  return {
    ...cell,
    share_of_line: ours ? shareOnWire(cell, { ...ours, plain, unshaped }) : null,
    share_of_jobs: ours ? Number((ours.rate / bound).toFixed(2)) : null,
    five_calls: five ? Number((five.rate / bound).toFixed(3)) : null,
    jobs,
    done: ours?.done ?? null,
    granted: ours?.granted ?? null,
    wire: ours ? Number(ours.wire.toFixed(2)) : null,
    plain_kb_s: Math.round(plain / 1_000),
    bound_kb_s: Math.round(bound / 1_000),
    side_by_side: beside,
    measured: new Date().toISOString().slice(0, 10),
    load: Number(loadavg()[0].toFixed(1)),
  };
}

/** Prepares a browser, the tracker, and the page. */
async function openSetting() {
  const packageDir = await buildPackage();
  const { "distcompute-tracker": program } = await buildTracker();
  const build = hashOf([packageDir, program, join(root, "tests", "lines")]);
  const site = await serveSite({ page: join(root, "tests", "lines", "page"), packageDir });
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: chromiumArgs(),
  });
  const openPage = async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(site.url);
    await page.waitForFunction(() => window.ready);
    const { evaluate } = page;
    return { evaluate: evaluate.bind(page), close: () => context.close() };
  };
  const close = async () => {
    await browser.close();
    site.stop();
  };
  return { browser, program, build, openPage, close };
}

function logFigure({ share_of_line, five_calls, jobs, done, load, ...cell }) {
  const shares = `${share_of_line} (five calls: ${five_calls})`;
  console.log(`${nameOf(cell)}: ${shares}, ${done} of ${jobs} jobs, load ${load}`);
}
