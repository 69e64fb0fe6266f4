// `npm run bench -- scale`: simulates a million volunteers, and counts their requests to the tracker.

import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

import { buildPrograms } from "../scripts/build.mjs";
import { must } from "../scripts/process.mjs";
import { readArguments as read } from "./arguments.mjs";
import { machineFacts } from "./machine.mjs";
import { publish } from "./scale-report.mjs";

export const usage = `npm run bench -- scale [options]

  --one-in N   simulate at most one volunteer in N, with its share of the tracker (1)
  --quick      one in 100

A run of everything takes a quarter of an hour on two cores and writes bench/results/; any other writes
target/bench/.`;

/** @param {string[]} args */
export function readArguments(args) {
  const quick = { "one-in": 100 };
  return read(args, { usage, lists: {}, numbers: { "one-in": 1 }, quick, harmless: [] });
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const { scale } = await buildPrograms({
    what: "the simulation",
    args: ["--profile", "serve", "-p", "sim", "--bin", "scale"],
    about: "3 minutes the first time",
  });
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const facts = await machineFacts({ folder }).finally(() => rmSync(folder, { recursive: true }));
  const call = ["--one-in", wanted["one-in"], "--threads", cpus().length].map(String);
  const onLine = (line) => line.startsWith("{") && logFigure(JSON.parse(line));
  const { stdout } = await must(scale, call, { blame: "stderr", onLine });
  const trials = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  publish({ trials, facts, everything: wanted.everything });
}

function logFigure({ name, setting, value, requests_per_s, peak_by_usual, took_s }) {
  const varied = setting ? ` (${setting} ${value})` : "";
  const peak = peak_by_usual === null ? "" : `, peak × ${peak_by_usual}`;
  console.log(`${name}${varied}: ${requests_per_s} requests/s${peak}; took ${took_s} s`);
}
