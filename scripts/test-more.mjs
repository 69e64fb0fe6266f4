// `npm run test:more`: what takes long, or needs Debian, root or the registries: Firefox, WebKit,
// 10,000 worlds, bundlers, Schemathesis, PostgreSQL. It too sets up what is missing, and fails on what
// it cannot set up.

import { ensureChromium } from "./browsers.mjs";
import { buildPackage } from "./build.mjs";
import { isMain, runMain } from "./failure.mjs";
import { ensureOperatorTools } from "./operators.mjs";
import { ensurePostgres, withPostgres } from "./postgres.mjs";
import { endOnSignals } from "./process.mjs";
import { ensurePython, ensureSchemathesis } from "./python.mjs";
import { chosen, report } from "./report.mjs";
import { testTracker } from "./servers.mjs";
import { nativeTests, nodeTests, pythonTests, simulate } from "./test.mjs";
import { ensureBuildTools, ensureNpmPackages, ensureRust, ensureWasmPack } from "./tools.mjs";
import { wasmStep } from "./wasm.mjs";

/** @type {import("./report.mjs").Step[]} */
const steps = [
  wasmStep("firefox", 20_000),
  // After some hundreds of instances of the package WebKit makes no more.
  wasmStep("webkit", 3_000),
  {
    name: "sim:10000",
    what: "10,000 more of the projects in virtual time",
    needs: [ensureRust],
    run: () => simulate({ seeds: "1000..11000", about: "5 minutes" }),
  },
  {
    name: "schema",
    what: "the tracker against its own OpenAPI document, by Schemathesis",
    needs: [ensureRust, ensureSchemathesis],
    run: (of) => pythonTests(of(ensureSchemathesis), "schema"),
  },
  {
    name: "bundlers",
    what: "the packed package in bundlers, Node, TypeScript and without any of them",
    needs: [ensureBuildTools, ensureWasmPack, ensureChromium],
    run: async (of) => {
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      // First, because the tracker carries it.
      await buildPackage();
      await testTracker();
      // One after the other: they build into the same folders.
      return await nodeTests({ folders: ["tests/bundlers"], env, args: ["--test-concurrency=1"] });
    },
  },
  {
    name: "lighthouse",
    what: "the volunteer page and the dashboard, as Lighthouse judges them on a phone",
    needs: [ensureNpmPackages, ensureBuildTools, ensureChromium],
    run: (of) => {
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      return nodeTests({ folders: ["tests/lighthouse"], env });
    },
  },
  {
    name: "operate",
    what: "every command, proxy and alarm of the operator's guide, with the real programs",
    needs: [ensureRust, ensureOperatorTools, ensurePostgres],
    run: () => nodeTests({ folders: ["tests/operate"], args: ["--test-concurrency=1"] }),
  },
  {
    name: "postgres:store",
    what: "what every store must do, on PostgreSQL",
    needs: [ensureRust, ensurePostgres],
    run: (of) => {
      const args = ["-p", "distcompute-tracker", "--test", "postgres"];
      return onPostgres(of(ensurePostgres), (env) => nativeTests({ args, env }));
    },
  },
  {
    name: "postgres:worlds",
    what: "200 of the projects in virtual time, with their books on PostgreSQL",
    needs: [ensureRust, ensurePostgres],
    run: (of) => {
      const seeds = { seeds: "0..200", about: "2 minutes" };
      const work = ({ url }) => simulate({ ...seeds, database: url });
      // No power is cut there: the server need not wait for the disk.
      return withPostgres(of(ensurePostgres), work, ["fsync=off"]);
    },
  },
  {
    name: "postgres:trackers",
    what: "several trackers on one PostgreSQL, which goes away and comes back",
    needs: [ensureRust, ensurePostgres],
    run: () => nodeTests({ folders: ["tests/postgres"], args: ["--test-concurrency=1"] }),
  },
  {
    name: "postgres:python",
    what: "the Python client against a tracker on PostgreSQL",
    needs: [ensureRust, ensurePython, ensurePostgres],
    run: (of) =>
      onPostgres(of(ensurePostgres), (env) => pythonTests(of(ensurePython), "python", env)),
  },
];

/** Runs tests that find the address of a database of their own in their environment. */
function onPostgres(bin, work) {
  return withPostgres(bin, ({ url }) => work({ DISTCOMPUTE_TEST_POSTGRES: url }));
}

async function main(args) {
  endOnSignals();
  await report({ steps: chosen(steps, args), command: "npm run test:more --" });
}

if (isMain(import.meta.url)) await runMain(main);
