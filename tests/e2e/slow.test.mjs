// The volunteer page over a slow connection: jobs take precedence over the picture, and Start can be
// pressed while the page is still loading.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser, openPage, openVolunteerPage, patienceMs } from "./browser.mjs";
import { startLine } from "./line.mjs";
import { startSample, untilTracker } from "./sample.mjs";

/** The limit for transfers before the first job. At 400 kbit/s, 400 kB take 8 s. */
const mostBytes = 320_000;

/**
 * How long before the card of the first job the first tiles may be requested, in milliseconds: the
 * page may read a status up to 100 ms before its listeners are called with it.
 */
const notifiedMs = 250;

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
  await page.exposeFunction("recordStatus", (text) => sentences.push(text));
  const began = performance.now();
  await page.goto(`${line.url}/volunteer/`, { waitUntil: "commit" });
  await page.waitForSelector("#start");
  await page.evaluate(() => {
    const { shadowRoot } = document.querySelector("#panel");
    const status = shadowRoot.querySelector("#status");
    new MutationObserver(() => window.recordStatus(status.textContent)).observe(status, {
      childList: true,
    });
    // Noted in the page: by the time that this test hears of the first job, tiles may be requested.
    const cards = shadowRoot.querySelector("#cards");
    new MutationObserver(() => {
      if (/job \d+/.test(cards.textContent)) window.firstJobAt ??= performance.now();
    }).observe(cards, { childList: true, characterData: true, subtree: true });
  });
  await page.fill("#nickname", "Ada");
  await page.click("#start");
  await page.waitForFunction(() => window.firstJobAt);
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`first job after ${seconds.toFixed(1)} s and ${line.bytes.down} bytes`);
  assert.ok(line.bytes.down < mostBytes, `${line.bytes.down} bytes before the first job`);
  assert.ok(sentences.length > 0, "the page showed no status");
  assert.deepEqual(
    sentences.filter((text) => /reached|cannot|reload/i.test(text)),
    [],
  );
  assert.equal(await page.inputValue("#nickname"), "Ada");

  // The tiles of the picture are fetched after that.
  const tiles = await page.waitForFunction(() => {
    const transfers = performance.getEntriesByType("resource");
    const tiles = transfers.filter(({ name }) => name.includes("numbers="));
    return tiles.length > 0 && tiles.map(({ startTime }) => startTime - window.firstJobAt);
  });
  const [earliest] = await tiles.jsonValue();
  assert.ok(earliest > -notifiedMs, `tiles were requested ${-earliest} ms before the first job`);
  t.diagnostic(`first tiles requested ${earliest.toFixed(0)} ms after the first job`);
  assert.ok(!sentences.some((text) => /reached/.test(text)), sentences.join("\n"));
});

test("input before the client is loaded is kept", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const browser = await openBrowser(t);
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(patienceMs);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await context.route("**/distcompute_client.js", async (route) => {
    await released;
    await route.continue();
  });
  await page.goto(volunteerUrl, { waitUntil: "commit" });
  await page.waitForSelector("#start");
  await page.evaluate(() => (window.wasHere = true));
  await page.fill("#nickname", "Grace");
  await page.press("#nickname", "Enter");
  assert.match(await page.textContent("#status"), /starts as soon as everything is here/);
  assert.ok(await page.isDisabled("#start"), "pressed once is enough");
  release();
  await untilTracker(url, "somebody at work", ({ stages }) => stages.some(({ held }) => held > 0));
  assert.equal(await page.evaluate(() => window.wasHere), true, "the page was loaded anew");
  assert.equal(await page.inputValue("#nickname"), "Grace");
  assert.match(await (await fetch(`${url}/`)).text(), /<bdi>Grace<\/bdi>/);

  await t.test("the page reports a script that cannot be loaded", async () => {
    for (const [script, place] of [
      ["distcompute_volunteer.js", "#loading"],
      ["distcompute_client.js", "#status"],
      ["page.js", "#picture-text"],
    ]) {
      const { page } = await openPage(browser, "about:blank");
      await page.route(`**/${script}`, (route) => route.abort());
      await page.goto(volunteerUrl);
      await page.locator(place, { hasText: "Reload it" }).waitFor();
      await page.context().close();
    }
  });
});
