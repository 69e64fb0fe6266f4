// `npm run test:more`: what needs Debian, root or npm's registry: Firefox, WebKit and bundlers.
// It too sets up what is missing, and fails on what it cannot set up.

import { ensureChromium } from "./browsers.mjs";
import { isMain, runMain } from "./failure.mjs";
import { endOnSignals } from "./process.mjs";
import { chosen, report } from "./report.mjs";
import { nodeTests } from "./test.mjs";
import { ensureBuildTools } from "./tools.mjs";
import { wasmStep } from "./wasm.mjs";

/** @type {import("./report.mjs").Step[]} */
const steps = [
  wasmStep("firefox"),
  wasmStep("webkit"),
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
