// `npm run bench -- files`: how fast a browser fetches and uploads files of jobs, through the tracker and directly to
// an S3 store, beside curl with the same files; and how many addresses a tracker signs.

import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

import { buildCloudTracker, buildPackage, buildPrograms } from "../scripts/build.mjs";
import { ensureS3 } from "../scripts/python.mjs";
import { answer } from "../scripts/process.mjs";
import { withS3 } from "../scripts/s3.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { readArguments as read } from "./arguments.mjs";
import { publish, shownRate, sizeOf, summary } from "./files-report.mjs";
import { grants } from "./files/grants.mjs";
import { openSetting } from "./files/setting.mjs";
import { byBrowser, byCurl } from "./files/transfers.mjs";
import { machineFacts } from "./machine.mjs";

const every = {
  stores: ["folder", "s3"],
  directions: ["down", "up"],
  bytes: ["1000", "1000000", "100000000"],
  mbit: ["200", "0"],
  parts: ["transfers", "grants"],
};

export const usage = `npm run bench -- files [options]

  --stores LIST      ${every.stores}: through the tracker, or directly to a store
  --directions LIST  ${every.directions}
  --bytes LIST       the size of a file: ${every.bytes}
  --mbit LIST        what the line carries each way; 0 is none at all: ${every.mbit}
  --parts LIST       ${every.parts}
  --rounds N         how often each is measured; medians count (3)
  --seconds N        how long the tracker signs addresses in each round (6)
  --quick            one round, of 2 s

A run of everything takes about twenty minutes. It writes bench/results/; any other writes target/bench/.`;

/** How many files there are, by their size. */
const counts = new Map([
  [1_000, 300],
  [1_000_000, 100],
  [100_000_000, 2],
]);

/** @param {string[]} args */
export function readArguments(args) {
  const lists = Object.fromEntries(Object.entries(every).map(([name, all]) => [name, { all }]));
  const numbers = { rounds: 3, seconds: 6 };
  const quick = { rounds: 1, seconds: 2 };
  const wanted = read(args, { usage, lists, numbers, quick });
  return { ...wanted, bytes: wanted.bytes.map(Number), mbit: wanted.mbit.map(Number) };
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  await ensureBuildTools();
  const python = await ensureS3();
  const packageDir = await buildPackage();
  const program = await buildCloudTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  try {
    const facts = await machineFacts({ folder });
    facts.push((await answer("curl", ["--version"])).split(" (")[0]);
    const rounds = await withS3(python, (env) =>
      measureAll({ program, packageDir, folder, env, facts }, wanted),
    );
    const { everything } = wanted;
    publish({ figures: summary(rounds), facts, how: howText(wanted), everything });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureAll(given, wanted) {
  const rounds = [];
  const add = (figure) => {
    rounds.push({ ...figure, load: Number(loadavg()[0].toFixed(1)) });
    console.log(`${figure.way}: ${shownRate(rounds.at(-1))}`);
  };
  for (const mbit of wanted.parts.includes("transfers") ? wanted.mbit : []) {
    const setting = await openSetting({ ...given, mbit });
    const browser = `Chromium ${setting.browser.version()}`;
    if (!given.facts.includes(browser)) given.facts.push(browser);
    try {
      for (let round = 0; round < wanted.rounds; round++) {
        for (const cell of cellsOf(wanted)) add(await measure(setting, { ...cell, mbit }));
      }
    } finally {
      await setting.close();
    }
  }
  if (wanted.parts.includes("grants")) {
    const load = await buildLoad();
    for (let round = 0; round < wanted.rounds; round++) {
      for (const calls of ["uploads", "files"])
        add(await grants(given, { ...wanted, load, calls }));
    }
  }
  return rounds;
}

function cellsOf({ stores, directions, bytes }) {
  return stores.flatMap((store) =>
    directions.flatMap((direction) =>
      bytes.map((size) => ({ store, direction, bytes: size, count: counts.get(size) })),
    ),
  );
}

async function measure(setting, cell) {
  const curl = await byCurl(setting, cell);
  const client = await byBrowser(setting, cell);
  const { store, direction, bytes, mbit } = cell;
  return {
    way: `${direction}, ${store === "s3" ? "directly to the store" : "through the tracker"}`,
    mbit: mbit || null,
    bytes,
    mb_per_s: client.rate / 1e6,
    against_curl: client.rate / curl.rate,
    curl_mb_per_s: curl.rate / 1e6,
    counted_mb_per_s: client.counted / 1e6,
    tracker_mb: Math.max(client.trackerMb, curl.trackerMb),
  };
}

async function buildLoad() {
  const built = await buildPrograms({
    what: "the load generator",
    args: ["--profile", "serve", "-p", "distcompute-load", "--bins"],
    about: "1 minute the first time",
  });
  return built["distcompute-load"];
}

function howText({ rounds, seconds }) {
  const sizes = [...counts].map(([bytes, count]) => `${count} of ${sizeOf(bytes)}`).join(", ");
  return [
    `Medians of ${rounds} ${rounds === 1 ? "round" : "rounds"}, in which curl and the browser take turns: ${sizes}. Browser, tracker, store, line ` +
      "and benchmark share one machine and its cores.",
    "The store is moto, a Python program, so a figure without a line says more of it than of anything else.",
    `Addresses are signed for ${seconds} s a round, for 32 connections of one load generator that shares the two cores.`,
  ];
}
