// Runs the scripts of README.md and docs/owner.md unchanged, except that the name of the package is
// replaced by its URL, as a bundler would do.

import assert from "node:assert/strict";
import { test } from "node:test";

import { scriptOf } from "../documents.mjs";
import { openBrowser, openPage } from "./browser.mjs";
import { startSample, status, untilTracker } from "./sample.mjs";

/**
 * Opens a page with a button that serves the scripts of a document, and loads the script `run`.
 *
 * @param {import("node:test").TestContext} t
 */
async function openDocument(t, from, run) {
  const { url } = await startSample(t, { poster: "small.json" });
  const browser = await openBrowser(t);
  const packageName = '"distcompute-client"';
  const html = `<!doctype html><title>Documents</title><button>Start</button>
    <script type="module" src="${run}"></script>`;
  const { page, complaints } = await openPage(browser, "about:blank");
  await page.context().route("**/document/**", (route) => {
    const script = new URL(route.request().url()).pathname.split("/").at(-1);
    if (script === "") return route.fulfill({ contentType: "text/html", body: html });
    const code = scriptOf(from, script);
    assert.ok(code.includes(packageName));
    const body = code.replace(packageName, '"/volunteer/pkg/distcompute_client.js"');
    return route.fulfill({ contentType: "text/javascript", body });
  });
  await page.goto(`${url}/document/`);
  return { url, page, complaints };
}

async function firstResult(url) {
  const results = await (await fetch(`${url}/api/results?stage=a`)).text();
  return JSON.parse(results.split("\n")[0]).data;
}

for (const from of ["README.md", "docs/owner.md"]) {
  test(`the scripts of ${from} complete all jobs of a stage once the button is pressed`, async (t) => {
    const { url, page, complaints } = await openDocument(t, from, "page.js");
    await page.waitForFunction(() => document.querySelector("button").onclick !== null);
    assert.equal((await status(url)).stages[0].workers, 0, "nothing starts by itself");
    await page.click("button");
    const now = await untilTracker(
      url,
      "all of stage a done",
      ({ stages }) => stages[0].open === 0,
    );
    await untilTracker(url, "handed in", ({ stages }) => stages[0].done === 12);
    assert.equal(now.jobs, 12);
    assert.match(await firstResult(url), /^<!json!>\{"vowels":\d+\}$/);
    await page.waitForFunction(() => document.title === "waiting, 12 jobs done");
    assert.deepEqual(complaints, []);
  });
}

test("the loop of docs/owner.md completes all jobs of a stage and waits for more", async (t) => {
  const { url, page, complaints } = await openDocument(t, "docs/owner.md", "loop.js");
  await untilTracker(url, "all of stage a done", ({ stages }) => stages[0].done === 12);
  assert.match(await firstResult(url), /^<!json!>\{"letters":\d+\}$/);

  // It keeps asking, and its token is still valid: a stage without jobs does not end the loop.
  const again = page.waitForResponse((answer) => answer.url().endsWith("/api/newJob"));
  assert.equal((await again).status(), 403);
  const refusals = complaints.filter((text) => !text.includes("403"));
  assert.deepEqual(refusals, []);
});
