// The worker script of README.md runs as it stands there. Only what a bundler would do is done here:
// the package's name becomes an address.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { root } from "../../scripts/places.mjs";
import { openBrowser, openPage } from "./browser.mjs";
import { startSample, untilTracker } from "./sample.mjs";

/** The code block of README.md that begins with this line. */
function codeBlock(firstLine) {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, code] = readme.split(`\`\`\`js\n${firstLine}\n`);
  assert.ok(code, `README.md has no code that begins with ${firstLine}`);
  return code.split("\n```")[0];
}

test("the loop of the README empties a stage and waits for more", async (t) => {
  const { url } = await startSample(t, { poster: "small.json" });
  const browser = await openBrowser(t);
  const { page, complaints } = await openPage(browser, `${url}/volunteer/`);

  const name = '"distcompute-client"';
  const worker = codeBlock("// worker.js");
  assert.ok(worker.includes(name));
  await page.context().route("**/readme/*.js", (route) => {
    const asked = new URL(route.request().url()).pathname;
    const body = asked.endsWith("/worker.js")
      ? worker.replace(name, '"/volunteer/pkg/distcompute_client.js"')
      : codeBlock("// page.js");
    return route.fulfill({ contentType: "text/javascript", body });
  });
  const asks = page.waitForRequest((request) => request.url().endsWith("/api/newJob"));
  await page.evaluate(() => import("/readme/page.js"));
  await asks;

  const now = await untilTracker(url, "all of stage a done", ({ stages }) => stages[0].open === 0);
  assert.equal(now.stages[0].done, 12);
  const results = await (await fetch(`${url}/api/results?stage=a`)).text();
  assert.match(JSON.parse(results.split("\n")[0]).data, /^<!json!>\{"letters":\d+\}$/);

  // It asks on, and is still known: a stage without jobs did not end it.
  const again = page.waitForResponse((answer) => answer.url().endsWith("/api/newJob"));
  assert.equal((await again).status(), 403);
  const refusals = complaints.filter((text) => !text.includes("403"));
  assert.deepEqual(refusals, []);
});
