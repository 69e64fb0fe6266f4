// `npm run bench -- checked`: how fast a store takes results in that are checked, and how long syncs take while the
// results of a key are reverted.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildPrograms } from "../scripts/build.mjs";
import { ensurePostgres, startPostgres } from "../scripts/postgres.mjs";
import { must } from "../scripts/process.mjs";
import { readArguments as read } from "./arguments.mjs";
import { publish } from "./checked-report.mjs";
import { machineFacts } from "./machine.mjs";

const every = { stores: ["sqlite", "postgres"], jobs: ["10000", "1000000"] };

export const usage = `npm run bench -- checked [options]

  --stores LIST    ${every.stores}
  --jobs LIST      how many jobs there are (${every.jobs})
  --rounds N       how often each is measured; medians count (3)
  --seconds N      how long each measurement is at most (6)
  --revert N       how many results are reverted (100000)
  --quick          one round of 2 s with 10,000 jobs, of which 5,000 are reverted

A run of everything takes about ten minutes beyond the compilation and writes bench/results/; any other writes
target/bench/.`;

/** @param {string[]} args */
export function readArguments(args) {
  const lists = {
    stores: { all: every.stores },
    jobs: { all: every.jobs, takes: (word) => Number(word) > 0 },
  };
  const numbers = { rounds: 3, seconds: 6, revert: 100_000 };
  const quick = { jobs: ["10000"], rounds: 1, seconds: 2, revert: 5_000 };
  return read(args, { usage, lists, numbers, quick });
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const bin = wanted.stores.includes("postgres") ? await ensurePostgres() : undefined;
  const { checked } = await buildPrograms({
    what: "the measurement",
    args: ["--profile", "serve", "-p", "sim", "--bin", "checked"],
    about: "3 minutes the first time",
  });
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const figures = [];
  const server = bin ? await startPostgres({ bin }) : undefined;
  try {
    const facts = await machineFacts({ folder, postgres: bin });
    const { jobs, rounds, seconds, revert } = wanted;
    for (const store of wanted.stores) {
      const where = store === "postgres" ? ["--postgres", server.url] : ["--folder", folder];
      const counts = { rounds, seconds, revert };
      const flags = Object.entries(counts).flatMap(([name, count]) => [`--${name}`, `${count}`]);
      const { stdout } = await must(checked, ["--jobs", `${jobs}`, ...flags, ...where], {
        blame: "stderr",
      });
      for (const line of stdout.trim().split("\n")) figures.push(JSON.parse(line));
    }
    publish({ rounds: figures, facts, wanted });
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
