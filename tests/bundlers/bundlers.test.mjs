// The package as its users have it: packed, installed, built by a bundler or by none, and one job
// done in the page and one in a worker, against a live tracker.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { root } from "../../scripts/places.mjs";
import { startTestTracker } from "../../scripts/servers.mjs";
import { makeProject, runIn, runInstalled } from "./project.mjs";
import { outcomeOf, serveFolder } from "./site.mjs";

const jobs = 100;
const shared = { "page.js": "page.js", "job.js": "job.js" };
const sourcesFor = (target) => ({
  ...shared,
  "main.js": `main.${target}.js`,
  "worker.js": `worker.${target}.js`,
});

let tracker;
before(async () => (tracker = await startTestTracker({ project: "Bundlers", jobs })));
after(() => tracker.stop());

const openAt = async (stage) =>
  Number(await (await fetch(`${tracker.url}/api/jobCount?stage=${stage}`)).text());

/** Opens the built page and checks its two jobs with what the tracker knows. */
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

/** Odd jobs are text, even ones an object. */
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

test("Vite, published package", () =>
  inProject({ template: "vite", target: "web", files: sourcesFor("web") }, async (folder) => {
    await runInstalled(folder, "vite/bin/vite.js", ["build"]);
    await doesTwoJobs(join(folder, "dist"));
  }));

for (const target of ["web", "bundler"]) {
  const name = target === "web" ? "published package" : "package for bundlers";
  test(`webpack, ${name}`, () =>
    inProject({ template: "webpack", target, files: sourcesFor(target) }, async (folder) => {
      await runInstalled(folder, "webpack/bin/webpack.js", []);
      cpSync(join(folder, "index.html"), join(folder, "dist", "index.html"));
      await doesTwoJobs(join(folder, "dist"));
    }));
}

test("no bundler, published package; what is used before the loader says so", () =>
  inProject({ template: "plain", target: "web", files: shared }, async (folder) => {
    const installed = join(folder, "node_modules", "distcompute-client");
    cpSync(installed, join(folder, "package"), { recursive: true });
    const calls = ["early", "earlyLoad", "earlyVolunteer", "earlyWork"];
    const codes = await doesTwoJobs(folder, calls);
    for (const call of calls) assert.equal(codes[call], "not_loaded", call);
  }));

test("published package, imported where there is neither window nor document", () =>
  inProject({ template: "node", target: "web" }, async (folder) => {
    const script = 'import("distcompute-client").then((all) => console.log(typeof all.init))';
    const { stdout } = await runIn(folder, process.execPath, ["--eval", script]);
    assert.equal(stdout.trim(), "function");
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

for (const target of ["web", "bundler", "nodejs"]) {
  test(`types, package for ${target}`, () =>
    inProject({ template: "types", target }, async (folder) => {
      const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
      const files = target === "web" ? ["members.ts", "loader.ts"] : ["members.ts"];
      const config = join(folder, "tsconfig.json");
      writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), files }));
      await runIn(folder, process.execPath, [tsc, "--project", config]);
    }));
}
