// The package for each of wasm-pack's targets, packed and installed: one job is computed in the page and one
// in a worker, with a real tracker. The tools of docs/bundlers.md are tested in matrix.test.mjs.

import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { startTestTracker } from "../../scripts/servers.mjs";
import { makeProject, runIn, runInstalled } from "./project.mjs";
import { outcomeOf, serveFolder } from "./site.mjs";

const jobs = 100;
const shared = { "page.js": "page.js", "job.js": "job.js" };
const sources = { ...shared, "main.js": "main.bundler.js", "worker.js": "worker.bundler.js" };

let tracker;
before(async () => (tracker = await startTestTracker({ project: "Bundlers", jobs })));
after(() => tracker.stop());

const openAt = async (stage) =>
  Number(await (await fetch(`${tracker.url}/api/jobCount?stage=${stage}`)).text());

/** Opens the built page, and compares its two jobs with the tracker's. */
async function doesTwoJobs(folder, variables) {
  const site = await serveFolder(folder);
  try {
    const handedIn = await openAt("b");
    const url = `${site.url}/?tracker=${encodeURIComponent(tracker.url)}`;
    const { outcome, globals, messages } = await outcomeOf(url, variables);
    assert.equal(outcome.error, undefined, messages.join("\n"));
    isJob(outcome.page);
    isJob(outcome.worker);
    assert.equal(await openAt("b"), handedIn + 2);
    return globals;
  } finally {
    site.stop();
  }
}

/** Asserts that the data of odd jobs is text, and that of even ones an object. */
function isJob({ data, jobId, stageName }) {
  assert.deepEqual(data, jobId % 2 === 1 ? `shard_${jobId}.tar` : { shard: jobId });
  assert.equal(stageName, "CPU");
}

async function inProject(wanted, work) {
  const { folder, remove } = await makeProject(wanted);
  try {
    return await work(folder);
  } finally {
    remove();
  }
}

test("webpack, package for bundlers", () =>
  inProject({ template: "webpack", target: "bundler", files: sources }, async (folder) => {
    await runInstalled(folder, "webpack/bin/webpack.js", []);
    cpSync(join(folder, "index.html"), join(folder, "dist", "index.html"));
    await doesTwoJobs(join(folder, "dist"));
  }));

test("no bundler, published package; calls before loading the wasm fail with an error", () =>
  inProject({ template: "plain", target: "web", files: shared }, async (folder) => {
    const installed = join(folder, "node_modules", "distcompute-client");
    cpSync(installed, join(folder, "package"), { recursive: true });
    const codes = await doesTwoJobs(folder, ["early", "earlyLoad", "earlyVolunteer", "earlyWork"]);
    // `work` may be called before the wasm is loaded, but only in a worker.
    assert.equal(codes.earlyWork, "invalid_argument");
    delete codes.earlyWork;
    for (const [call, code] of Object.entries(codes)) assert.equal(code, "not_loaded", call);
  }));

test("Node, package for Node", () =>
  inProject(
    { template: "node", target: "nodejs", files: { "job.mjs": "job.js" } },
    async (folder) => {
      const handedIn = await openAt("b");
      const script = join(folder, "main.cjs");
      const { stdout } = await runIn(folder, process.execPath, [script, tracker.url]);
      isJob(JSON.parse(stdout));
      assert.equal(await openAt("b"), handedIn + 1);
    },
  ));
