// `npm run bench -- lines`: jobs of every size over every line, against one plain transfer over the
// same line, with the loop of five calls a job beside the engine.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

import { chromiumArgs, ensureChromium } from "../scripts/browsers.mjs";
import { buildPackage, buildTracker } from "../scripts/build.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { jobsFor, measuredRate, plainRate } from "../tests/lines/cell.mjs";
import { serveSite } from "../tests/lines/site.mjs";
import { readArguments as read } from "./arguments.mjs";
import { publish } from "./lines-report.mjs";
import { machineFacts } from "./machine.mjs";

const every = {
  directions: ["down", "up"],
  kb: ["1", "25", "200", "3000"],
  mbit: ["0.25", "1", "4", "20", "100"],
  delays: ["50", "300"],
  losses: ["0", "0.01"],
  who: ["engine", "five"],
};

export const usage = `npm run bench -- lines [options]

  --directions LIST  ${every.directions}
  --kb LIST          what a job weighs, in kilobytes: ${every.kb}
  --mbit LIST        what the line carries, each way: ${every.mbit}
  --delays LIST      of a round trip, in ms: ${every.delays}
  --losses LIST      shares of packets: ${every.losses}
  --who LIST         ${every.who}
  --seconds N        how long a line is kept busy in each cell, at least three jobs long (20)
  --seed N           of the losses (1)
  --quick            5 s

A run of everything takes about four hours, because three jobs of 3 MB take five minutes at 0.25 Mbit/s,
and the loop of five calls many times as long as the engine (it is given up after twice the time). It
writes bench/results/; any other writes target/bench/.`;

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
  };
  const numbers = { seconds: 20, seed: 1 };
  const wanted = read(args, { usage, lists, numbers, quick: { seconds: 5 } });
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
  const figures = [];
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  try {
    const facts = [...(await machineFacts({ folder })), `Chromium ${setting.browser.version()}`];
    const how = [`A line is kept busy for ${wanted.seconds} s or three jobs, seed ${wanted.seed}.`];
    const unshaped = new Map();
    for (const cell of cells(wanted)) {
      figures.push(await measure(setting, cell, wanted, unshaped));
      say(figures.at(-1));
    }
    publish({ figures, facts, how, everything: wanted.everything });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await setting.close();
  }
}

function cells({ directions, kb, mbit, delays, losses }) {
  const all = [];
  for (const direction of directions)
    for (const one of kb)
      for (const rate of mbit)
        for (const delay_ms of delays)
          for (const loss of losses) all.push({ direction, kb: one, mbit: rate, delay_ms, loss });
  return all;
}

/** A line that carries less than this in a second is the bound, and not what a browser can do. */
const surelyLine = 1e6;

async function measure(setting, cell, { seconds, seed, who }, unshaped) {
  const jobs = jobsFor(cell, { seconds });
  const bytes = 1_000 * cell.kb * jobs;
  const plain = await plainRate(cell, { bytes, seed });
  let bound = plain;
  if (plain > surelyLine) {
    const key = `${cell.direction} ${cell.kb}`;
    if (!unshaped.has(key)) {
      const many = jobsFor({ ...cell, mbit: 400 }, { seconds: Math.min(seconds, 10) });
      const free = { mbit: Infinity, delay_ms: 0, loss: 0 };
      const terms = { jobs: many, seed, limitS: 20 * seconds };
      unshaped.set(key, (await measuredRate(setting, { ...cell, ...free }, terms)).rate);
    }
    bound = Math.min(plain, unshaped.get(key));
  }
  const expectedS = bytes / bound;
  const share = async (one) => {
    const terms = { jobs, seed, who: one, limitS: (one === "five" ? 2 : 4) * expectedS + 10 };
    const { rate, done, granted } = await measuredRate(setting, cell, terms);
    return { share: rate / bound, done, granted };
  };
  const ours = who.includes("engine") ? await share("engine") : undefined;
  const five = who.includes("five") ? await share("five") : undefined;
  return {
    ...cell,
    share_of_line: rounded(ours?.share),
    five_calls: rounded(five?.share),
    jobs,
    done: ours?.done ?? null,
    granted: ours?.granted ?? null,
    plain_kb_s: Math.round(plain / 1_000),
    bound_kb_s: Math.round(bound / 1_000),
  };
}

const rounded = (share) => (share === undefined ? null : Math.round(100 * share) / 100);

/** A browser, the tracker's program, and the page. */
async function openSetting() {
  const packageDir = await buildPackage();
  const { "distcompute-tracker": program } = await buildTracker();
  const site = await serveSite(packageDir);
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
  return { browser, program, openPage, close };
}

function say({ direction, kb, mbit, delay_ms, loss, share_of_line, five_calls }) {
  const line = `${mbit} Mbit/s, ${delay_ms} ms, loss ${100 * loss} %`;
  console.log(`${direction} ${kb} kB, ${line}: ${share_of_line} (five calls: ${five_calls})`);
}
