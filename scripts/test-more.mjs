// `npm run test:more`: tests that take long, or that need Debian, root or package registries: Firefox,
// WebKit, more simulated projects, bundlers, Schemathesis, PostgreSQL, an S3 server. Missing tools are installed; a
// tool that cannot be installed is a failure.

import { ensureJudges } from "./artefacts.mjs";
import { ensureChromium, ensureFirefox, ensureGeckodriver } from "./browsers.mjs";
import { packedFolder } from "../tests/bundlers/project.mjs";
import { buildPackage, targets } from "./build.mjs";
import { ensureCargoDeb } from "./deb.mjs";
import { isMain, runMain } from "./failure.mjs";
import { ensureFleetTools, ensureOperatorTools } from "./operators.mjs";
import { ensurePostgres, withPostgres } from "./postgres.mjs";
import { endOnSignals } from "./process.mjs";
import {
  ensureNotebook,
  ensurePython,
  ensurePythonProject,
  ensureS3,
  ensureSchemathesis,
} from "./python.mjs";
import { chosen, report } from "./report.mjs";
import { withS3 } from "./s3.mjs";
import { testTracker } from "./servers.mjs";
import { nativeTests, nodeTests, pythonTests, simulate } from "./test.mjs";
import { ensureBuildTools, ensureNpmPackages, ensureRust, ensureWasmPack } from "./tools.mjs";
import { wasmStep } from "./wasm.mjs";

/** @type {import("./report.mjs").Step[]} */
const steps = [
  wasmStep("firefox", 10_000),
  // Short, because WebKit fails to instantiate the wasm after some hundreds of instances.
  wasmStep("webkit", 3_000),
  {
    name: "sim:more",
    what: "1,000 more simulated projects in virtual time",
    needs: [ensureRust],
    run: () => simulate({ seeds: "1000..2000", about: "2 minutes" }),
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
      // Before the tests, of which several would build the same one at once, and before the tracker, which
      // embeds the one for the web.
      for (const target of targets) await buildPackage({ target, outDir: packedFolder(target) });
      await testTracker();
      return await nodeTests({ folders: ["tests/bundlers"], env, args: ["--test-concurrency=1"] });
    },
  },
  {
    name: "map",
    what: "distcompute map, installed from packed tarballs, with browsers that join",
    needs: [ensureNpmPackages, ensureBuildTools, ensureChromium],
    run: (of) => {
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      return nodeTests({ folders: ["tests/map"], env, args: ["--test-concurrency=1"] });
    },
  },
  {
    name: "package",
    what: "everything that is published, packed, judged and installed",
    needs: [ensureNpmPackages, ensureBuildTools, ensureJudges],
    run: async () => {
      // Before the tracker, which embeds the package.
      await buildPackage();
      await testTracker();
      return await nodeTests({ folders: ["tests/package"] });
    },
  },
  {
    name: "deb",
    what: "the tracker's Debian package, installed and removed in a copy of this machine",
    needs: [ensureRust, ensureCargoDeb],
    run: async () => {
      await testTracker();
      return await nodeTests({ folders: ["tests/deb"] });
    },
  },
  {
    name: "create",
    what: "each template of npm create distcompute, installed from packed tarballs, in a browser",
    needs: [ensureNpmPackages, ensureBuildTools, ensureWasmPack, ensureChromium],
    run: (of) => {
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      return nodeTests({ folders: ["tests/create"], env });
    },
  },
  {
    name: "notebook",
    what: "the notebook of the sample pi, with two browsers that compute",
    needs: [ensureNpmPackages, ensureBuildTools, ensureChromium, ensureNotebook],
    run: (of) => {
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      return nodeTests({ folders: ["tests/notebook"], env });
    },
  },
  {
    name: "panel:firefox",
    what: "the volunteer panel in Firefox, on pages of another origin",
    needs: [ensureNpmPackages, ensureBuildTools, ensureFirefox, ensureGeckodriver],
    run: async () => {
      // Before the tracker, which embeds the panel.
      await buildPackage();
      await testTracker();
      return await nodeTests({ folders: ["tests/firefox"], args: ["--test-concurrency=1"] });
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
    what: "every command, proxy and alert of the operator's guide, with the real programs",
    needs: [ensureRust, ensureOperatorTools, ensurePostgres],
    run: () => nodeTests({ folders: ["tests/operate"], args: ["--test-concurrency=1"] }),
  },
  {
    name: "clouds",
    what: "files of jobs in the object store of a cloud, for which an S3 server stands",
    needs: [ensureRust, ensureS3],
    run: (of) => {
      const args = ["-p", "distcompute-tracker", "--features", "clouds", "--test", "clouds"];
      return withS3(of(ensureS3), (env) => nativeTests({ args, env }));
    },
  },
  {
    name: "fleet",
    what: "two trackers behind haproxy, on a PostgreSQL and an S3 server, which fail one after the other",
    needs: [ensureRust, ensureS3, ensurePostgres, ensureFleetTools],
    run: (of) => withS3(of(ensureS3), (env) => nodeTests({ folders: ["tests/fleet"], env })),
  },
  {
    name: "postgres:store",
    what: "the contract tests of the store, on PostgreSQL",
    needs: [ensureRust, ensurePostgres],
    run: (of) => {
      // Of the whole workspace, whose dependencies then have the features that they were compiled with.
      const args = ["--workspace", "--test", "postgres"];
      return onPostgres(of(ensurePostgres), (env) => nativeTests({ args, env }));
    },
  },
  {
    name: "postgres:worlds",
    what: "100 simulated projects with their ledger on PostgreSQL",
    needs: [ensureRust, ensurePostgres],
    run: (of) => {
      const seeds = { seeds: "0..100", about: "1 minute" };
      const work = ({ url }) => simulate({ ...seeds, database: url });
      // The simulation does not crash the server, so it need not flush to disk.
      return withPostgres(of(ensurePostgres), work, ["fsync=off"]);
    },
  },
  {
    name: "postgres:trackers",
    what: "several trackers on one PostgreSQL that is stopped and restarted",
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
  {
    name: "postgres:python:project",
    what: "the Python package for owners against a tracker on PostgreSQL",
    needs: [ensureRust, ensurePythonProject, ensurePostgres],
    run: (of) => {
      const work = (env) => pythonTests(of(ensurePythonProject), "project", env);
      // Only trackers are killed, so the server need not flush to disk.
      return onPostgres(of(ensurePostgres), work, ["fsync=off"]);
    },
  },
];

/** Runs tests with the address of a new database in their environment. */
function onPostgres(bin, work, settings) {
  return withPostgres(bin, ({ url }) => work({ DISTCOMPUTE_TEST_POSTGRES: url }), settings);
}

async function main(args) {
  endOnSignals();
  await report({ steps: chosen(steps, args), command: "npm run test:more --" });
}

if (isMain(import.meta.url)) await runMain(main);
