// `npm run test:more`: what needs Debian, root or the registries: Firefox, WebKit, bundlers,
// Schemathesis. It too sets up what is missing, and fails on what it cannot set up.

import { ensureChromium } from "./browsers.mjs";
import { isMain, runMain } from "./failure.mjs";
import { endOnSignals } from "./process.mjs";
import { ensureSchemathesis } from "./python.mjs";
import { chosen, report } from "./report.mjs";
import { nodeTests, pythonTests } from "./test.mjs";
import { ensureBuildTools, ensureRust } from "./tools.mjs";
import { wasmStep } from "./wasm.mjs";

/** @type {import("./report.mjs").Step[]} */
const steps = [
  wasmStep("firefox"),
  wasmStep("webkit"),
  {
    name: "schema",
    what: "the tracker against its own OpenAPI document, by Schemathesis",
    needs: [ensureRust, ensureSchemathesis],
    run: (of) => pythonTests(of(ensureSchemathesis), "schema"),
  },
  {
    name: "bundlers",
    what: "the packed package in Vite, webpack, Node, TypeScript and without any of them",
    needs: [ensureBuildTools, ensureChromium],
    run: (of) => {
      const env = { DISTCOMPUTE_CHROMIUM: of(ensureChromium) };
      return nodeTests({ folders: ["tests/bundlers"], env });
    },
  },
];

async function main(args) {
  endOnSignals();
  await report({ steps: chosen(steps, args), command: "npm run test:more --" });
}

if (isMain(import.meta.url)) await runMain(main);
