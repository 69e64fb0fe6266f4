// `npm test`: all tests that need only Rust, Node and a browser. Missing tools are installed.
// `npm test -- e2e` runs only the steps of that name.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { ensureChromium } from "./browsers.mjs";
import {
  buildCrawl,
  buildCrawlProgram,
  buildKernel,
  buildPackage,
  buildPrograms,
  buildTracker,
} from "./build.mjs";
import { checkSteps } from "./check.mjs";
import { judged, libtest, nodeTest, python, sum, worlds } from "./counts.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";
import { endOnSignals, run } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";
import { ensurePython, ensurePythonProject } from "./python.mjs";
import { chosen, report } from "./report.mjs";
import { testTracker } from "./servers.mjs";
import { ensureVitePress } from "./site.mjs";
import { ensureBuildTools, ensureNpmPackages, ensureRust } from "./tools.mjs";
import { wasmStep } from "./wasm.mjs";

/** A step that takes longer than this is considered hung. */
const stepMs = 25 * 60_000;

/** @type {import("./report.mjs").Step[]} */
const steps = [
  ...checkSteps,
  {
    name: "native",
    what: "the native tests of the engine, the tracker and the kernel",
    needs: [ensureRust],
    run: () => nativeTests(),
  },
  {
    name: "sim",
    what: "1,000 simulated projects in virtual time, with injected faults",
    needs: [ensureRust],
    run: () => simulate({ seeds: "0..1000" }),
  },
  {
    name: "scripts",
    what: "the scripts, the rules of the commands, and the faulty tracker that other tests use",
    needs: [ensureNpmPackages],
    run: () => {
      const rules = ["tests/map/rules", "tests/create/rules"];
      return nodeTests({ folders: ["tests/scripts", ...rules, "tests/faulty"] });
    },
  },
  {
    name: "page",
    what: "the unit tests of the volunteer panel and of the sample's page",
    needs: [],
    run: () => nodeTests({ folders: ["tests/page", "tests/panel"] }),
  },
  {
    name: "site",
    what: "the documentation site, and every link of it",
    needs: [ensureNpmPackages, ensureBuildTools],
    run: async () => {
      await buildPackage();
      await ensureVitePress();
      return await nodeTests({ folders: ["tests/site"] });
    },
  },
  {
    name: "crawl",
    what: "the crawl example in Chromium, and its kernels beside the native program",
    needs: [ensureNpmPackages, ensureBuildTools, ensureChromium],
    run: async (of) => {
      await buildPackage();
      await buildCrawl();
      await buildCrawlProgram();
      await buildTracker();
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      return await nodeTests({ folders: ["tests/crawl"], env, args: ["--test-concurrency=2"] });
    },
  },
  wasmStep("chromium", 5_000),
  {
    name: "python",
    what: "the Python client against the tracker",
    needs: [ensureRust, ensurePython],
    run: (of) => pythonTests(of(ensurePython), "python"),
  },
  {
    name: "python:project",
    what: "the Python package for owners against the tracker, with injected faults",
    needs: [ensureRust, ensurePythonProject],
    run: (of) => pythonTests(of(ensurePythonProject), "project"),
  },
  {
    name: "crash",
    what: "a tracker on SQLite that is repeatedly killed under load",
    needs: [ensureRust],
    run: async () => {
      // The tests would build it too, but without reporting the progress.
      await testTracker();
      return await nodeTests({ folders: ["tests/crash"] });
    },
  },
  {
    name: "e2e",
    what: "the sample started by npm start, in Chromium",
    needs: [ensureNpmPackages, ensureBuildTools, ensureChromium],
    run: (of) => endToEndTests(of(ensureChromium)),
  },
  {
    name: "engine",
    what: "volunteers in Chromium whose network, tracker, tab or workers fail",
    needs: [ensureNpmPackages, ensureBuildTools, ensureChromium],
    run: (of) => engineTests(of(ensureChromium)),
  },
];

/**
 * Runs `cargo test`, by default for the whole workspace.
 *
 * @param {{ args?: string[], env?: object }} [wanted]
 */
export async function nativeTests({ args = ["--workspace"], env = {} } = {}) {
  const command = ["test", "--no-fail-fast", ...args];
  const heading = { what: "building and running the native tests", about: "3 minutes at first" };
  const { code, output } = await progress(heading, (note) =>
    run("cargo", command, {
      env: toolEnv(env),
      onLine: cargoNotes(note),
      timeoutMs: stepMs,
    }),
  );
  return { ...judged(libtest(output), code), output };
}

/**
 * Runs the simulation for a range of seeds.
 *
 * @param {{ seeds: string, about?: string, database?: string }} wanted `database` is the address of a
 *   PostgreSQL for the ledger, which is in memory otherwise
 */
export async function simulate({ seeds, about = "half a minute", database }) {
  const { sim } = await buildPrograms({
    what: "the simulation",
    args: ["--profile", "serve", "-p", "sim", "--bins"],
    about: "3 minutes the first time",
  });
  const heading = { what: `simulating the seeds ${seeds}`, about };
  const { code, output } = await progress(heading, (note) =>
    run(sim, ["--seeds", seeds, ...(database ? ["--database", database] : [])], {
      env: toolEnv(),
      onLine: (line) => /^\d+ of \d+ worlds$/.test(line) && note(line),
      timeoutMs: stepMs,
    }),
  );
  return { ...judged(worlds(output), code), output };
}

/**
 * Runs the `*.test.mjs` files of folders with Node's test runner.
 *
 * @param {{ folders: string[], files?: string[], env?: object, args?: string[] }} wanted `files` selects
 *   some of them
 */
export async function nodeTests({
  folders,
  files = folders.flatMap(testFiles),
  env = {},
  args = [],
}) {
  const command = ["--test", "--test-reporter=spec", ...args, ...files];
  if (files.length === 0) {
    const output = `There is no *.test.mjs in ${folders.join(" or ")}.`;
    return { passed: 0, failed: 1, skipped: 0, output };
  }
  const heading = { what: `running ${files.join(", ")}` };
  const { code, output } = await progress(heading, (note) =>
    run(process.execPath, command, {
      env: toolEnv(env),
      onLine: (line) => /^[✔✖]/.test(line) && note(line),
      timeoutMs: stepMs,
    }),
  );
  return { ...judged(nodeTest(output), code), output: failingOnly(output) };
}

/** Node's test runner repeats all failures at the end of its output; the rest is dropped. */
function failingOnly(output) {
  const from = output.indexOf("✖ failing tests:");
  return from < 0 ? output : output.slice(from);
}

function testFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".test.mjs"));
  return names.sort().map((name) => `${folder}/${name}`);
}

/**
 * Runs the Python tests of a folder in tests/.
 *
 * @param {string} program the Python of an environment with their requirements
 * @param {string} tests
 * @param {object} [more] additional environment variables
 */
export async function pythonTests(program, tests, more = {}) {
  const folder = join(root, "tests", tests);
  const usesPytest = /^pytest\b/m.test(readFileSync(join(folder, "requirements.txt"), "utf8"));
  // Without the cache, which prettier would check.
  const args = usesPytest
    ? ["-m", "pytest", "-p", "no:cacheprovider", folder]
    : ["-m", "unittest", "discover", "-s", folder];
  const env = toolEnv({
    DISTCOMPUTE_TRACKER_BIN: await testTracker(),
    DISTCOMPUTE_NODE: process.execPath,
    ...more,
  });
  const { code, output } = await progress({ what: `running tests/${tests}` }, (note) =>
    run(program, args, { env, onLine: note, timeoutMs: stepMs }),
  );
  return { ...judged(python(output), code), output };
}

async function endToEndTests(chromium) {
  // `start` would build these too, but without reporting the progress.
  await buildPackage();
  await buildKernel();
  await buildTracker();
  const env = { DISTCOMPUTE_CHROMIUM: chromium };
  return await browserTests({ folders: ["tests/e2e"], env });
}

async function engineTests(chromium) {
  await buildPackage();
  await testTracker();
  const env = { DISTCOMPUTE_CHROMIUM: chromium };
  return await browserTests({ folders: ["tests/e2e/engine", "tests/lines"], env });
}

/** The browser tests that measure times or speeds. Nothing else runs beside them. */
const measuring = [
  "tests/e2e/bench.test.mjs",
  "tests/e2e/dashboard.test.mjs",
  "tests/e2e/governing.test.mjs",
  "tests/e2e/slow.test.mjs",
  "tests/e2e/engine/busy.test.mjs",
  "tests/e2e/engine/hidden.test.mjs",
  "tests/e2e/engine/leaving.test.mjs",
  "tests/lines/lines.test.mjs",
];

/** Runs browser tests two at a time, because most of them mainly wait, and then those that measure. */
async function browserTests({ folders, env }) {
  const gone = measuring.find((file) => !existsSync(join(root, file)));
  if (gone) throw new Failure(`There is no ${gone}.`, { remedy: "correct the list in test.mjs" });
  const files = folders.flatMap(testFiles);
  const measures = (file) => measuring.includes(file);
  const turns = [
    { files: files.filter((file) => !measures(file)), args: ["--test-concurrency=2"] },
    { files: files.filter(measures), args: ["--test-concurrency=1"] },
  ];
  const outcomes = [];
  for (const turn of turns) outcomes.push(await nodeTests({ folders, env, ...turn }));
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  return { ...sum(outcomes), output: failed.map(({ output }) => output).join("\n") };
}

async function main(args) {
  endOnSignals();
  await report({ steps: chosen(steps, args), command: "npm test --" });
}

if (isMain(import.meta.url)) await runMain(main);
