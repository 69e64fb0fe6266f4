// `distcompute test`: runs the cases of a project through its worker script, in a headless browser.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { stop } from "esbuild";

import { bundle } from "../bundle.js";
import { milliseconds, ownersPart } from "../check/judge.js";
import { bundleForTrial } from "../check/script.js";
import { Failure } from "../failure.js";
import { onSignals } from "../signals.js";
import { openBrowser } from "./browser.js";
import { wantsHelp } from "./build.js";
import { compare, readCases } from "./cases.js";
import { buildKernel } from "./kernel.js";
import { files, requireProject } from "./project.js";

const usage = `Usage: distcompute test

Runs the cases of ${files.cases} through the worker script of the project in this folder, in a headless
Chrome or Chromium (CHROME_PATH names one). Each line is {"data": …, "output": …}, with a "stage" if that is
not a, or {"data": …, "failure": "invalid"} (or "failed") if the handler is expected to refuse the input.`;

const folder = join(files.own, "test");

/** @param {string[]} args */
export async function test(args) {
  if (wantsHelp(args, usage)) return 0;
  requireProject();
  if (!existsSync(files.cases)) throw new Failure(`There is no file ${files.cases}.`);
  const cases = readCases(readFileSync(files.cases, "utf8"), files.cases);
  await buildKernel();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundleForTrial(files.worker, join(folder, "trial.js"));
  await bundle({
    entryPoints: { page: fileURLToPath(new URL("page/trial.js", import.meta.url)) },
    outdir: folder,
  });
  await stop();
  const jobs = cases.map(({ data, stage }) => ({ data, stage }));
  const ended = new AbortController();
  const ignore = onSignals(() => ended.abort());
  try {
    const outcome = await openBrowser({ folder, given: jobs, signal: ended.signal });
    if (ended.signal.aborted) return 130;
    if (outcome.unloadable !== undefined) {
      throw new Failure(`${files.worker} cannot be loaded.\n${ownersPart(outcome.unloadable)}`);
    }
    return report(cases, outcome.ran);
  } finally {
    ignore();
  }
}

/** Prints what came of each case. Returns the exit code. */
function report(cases, ran) {
  let failed = 0;
  for (const [index, one] of cases.entries()) {
    const wrong = compare(one, ran[index]);
    const name = `line ${one.line}, stage ${one.stage}`;
    if (wrong === undefined) {
      console.log(`✔ ${name}: ${milliseconds(ran[index].seen.ms)}`);
    } else {
      failed += 1;
      console.log(`✖ ${name}: ${wrong.replaceAll("\n", "\n  ")}`);
    }
  }
  console.log(`${cases.length - failed} of ${cases.length} cases passed.`);
  return failed > 0 ? 1 : 0;
}
