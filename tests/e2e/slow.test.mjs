// The volunteer page over a slow connection: jobs take precedence over the picture, and Start can be
// pressed while the page is still loading.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser, openPage, openVolunteerPage, patienceMs } from "./browser.mjs";
import { startLine } from "./line.mjs";
import { startSample, untilTracker } from "./sample.mjs";

/** The limit for transfers before the first job. At 400 kbit/s, 400 kB take 8 s. */
const mostBytes = 320_000;

test("over a slow connection the first job is fetched before the picture", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "middle.json" });
  const browser = await openBrowser(t);

  // Another volunteer has already painted a part of the picture.
  const first = await openVolunteerPage(browser, volunteerUrl);
  await first.page.click("#start");
  await untilTracker(url, "checked tiles", ({ stages }) => stages[1].done >= 4);
  await first.page.click("#stop");
  await first.page.waitForSelector("body[data-state=stopped]");
  await first.page.close();

  const line = await startLine(t, { url, kbit: 400, delayMs: 100 });
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  const sentences = [];
  const requests = [];
  await page.exposeFunction("recordStatus", (text) => sentences.push(text));
  context.on("request", (request) => requests.push(request.url()));
  const began = performance.now();
  await page.goto(`${line.url}/volunteer/`, { waitUntil: "commit" });
  await page.waitForSelector("#start");
  await page.evaluate(() => {
    const status = document.querySelector("#status");
    new MutationObserver(() => window.recordStatus(status.textContent)).observe(status, {
      childList: true,
    });
  });
  await page.fill("#nickname", "Ada");
  await page.click("#start");
  await page.waitForFunction(() => /job \d+/.test(document.querySelector("#cards").textContent));
  const seconds = (performance.now() - began) / 1000;
  const tiles = requests.filter((address) => address.includes("numbers="));
  t.diagnostic(`first job after ${seconds.toFixed(1)} s and ${line.bytes.down} bytes`);
  assert.deepEqual(tiles, [], "tiles were fetched before the first job");
  assert.ok(line.bytes.down < mostBytes, `${line.bytes.down} bytes before the first job`);
  assert.ok(sentences.length > 0, "the page showed no status");
  assert.deepEqual(
    sentences.filter((text) => /reached|cannot|reload/i.test(text)),
    [],
  );
  assert.equal(await page.inputValue("#nickname"), "Ada");

  // After that, the tiles of the picture are fetched.
  await page.waitForFunction(() =>
    performance.getEntriesByType("resource").some(({ name }) => name.includes("numbers=")),
  );
  assert.ok(!sentences.some((text) => /reached/.test(text)), sentences.join("\n"));
});

test("input before the script is loaded is kept", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const browser = await openBrowser(t);
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await context.route("**/page.js", async (route) => {
    await released;
    await route.continue();
  });
  await page.goto(volunteerUrl, { waitUntil: "commit" });
  await page.waitForSelector("#start");
  await page.evaluate(() => (window.wasHere = true));
  await page.fill("#nickname", "Grace");
  await page.press("#nickname", "Enter");
  assert.match(await page.textContent("#status"), /starts as soon as the page is ready/);
  assert.ok(await page.isDisabled("#start"), "pressed once is enough");
  release();
  await untilTracker(url, "somebody at work", ({ stages }) => stages.some(({ held }) => held > 0));
  assert.equal(await page.evaluate(() => window.wasHere), true, "the page was loaded anew");
  assert.equal(await page.inputValue("#nickname"), "Grace");
  assert.match(await (await fetch(`${url}/`)).text(), /<bdi>Grace<\/bdi>/);

  await t.test("the page reports a script that cannot be loaded", async () => {
    const { page } = await openPage(browser, "about:blank");
    await page.route("**/page.js", (route) => route.abort());
    await page.goto(volunteerUrl);
    await page.waitForFunction(() =>
      /Reload it/.test(document.querySelector("#status").textContent),
    );
  });
});
