// `npm run bench -- trust`: simulates projects some of whose volunteers lie, and counts the wrong results that count
// and what finding the others costs.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildPrograms } from "../scripts/build.mjs";
import { must } from "../scripts/process.mjs";
import { readArguments as read } from "./arguments.mjs";
import { machineFacts } from "./machine.mjs";
import { publish } from "./trust-report.mjs";

export const usage = `npm run bench -- trust [options]

  --seeds N   how often each scenario is simulated; the figures are means (10)
  --quick     once

A run takes about a minute beyond the compilation, and writes bench/results/ unless it is quick or has other seeds,
target/bench/ then.`;

/** @param {string[]} args */
export function readArguments(args) {
  return read(args, { usage, lists: {}, numbers: { seeds: 10 }, quick: { seeds: 1 } });
}

/** @param {string[]} args */
export async function main(args) {
  const { seeds, everything } = readArguments(args);
  const { trust } = await buildPrograms({
    what: "the simulation",
    args: ["--profile", "serve", "-p", "sim", "--bin", "trust"],
    about: "3 minutes the first time",
  });
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const facts = await machineFacts({ folder }).finally(() => rmSync(folder, { recursive: true }));
  const { stdout } = await must(trust, ["--seeds", String(seeds)], { blame: "stderr" });
  const lines = stdout.trim().split("\n");
  const figures = lines.map((line) => JSON.parse(line));
  publish({ figures, facts, seeds, everything });
}
