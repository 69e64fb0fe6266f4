// What fails while volunteers work is said, and made good: the tracker goes away and comes back, a
// worker dies and is replaced.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  assertSamePicture,
  canvasPixels,
  openBrowser,
  openVolunteerPage,
  untilStatus,
} from "./browser.mjs";
import { nativeRender, startSample, status, untilTracker } from "./sample.mjs";

test("a page says that the tracker is away, and goes on when it is back", async (t) => {
  const sample = await startSample(t, { poster: "small.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), sample.volunteerUrl);
  // Slow enough that the tracker can be stopped in the middle of the poster.
  await page.context().route("**/api/completeJob", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue().catch(() => {});
  });
  await page.click("#start");
  await untilTracker(sample.url, "begun", ({ stages: [render] }) => render.done >= 2);
  await sample.stop();

  await untilStatus(page, /^The tracker cannot be reached\. Trying again (in \d+ s|now)\.$/);
  assert.equal(await page.textContent("#status-spoken"), "The tracker cannot be reached.");
  assert.equal(await page.getAttribute("body", "data-state"), "running");

  await sample.restart();
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  const { closed, jobs } = await status(sample.url);
  assert.deepEqual([closed, jobs], [12, 12]);
});

test("a page that was stopped while the tracker is away stops all the same", async (t) => {
  const sample = await startSample(t, { poster: "slow.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), sample.volunteerUrl);
  await page.click("#start");
  await page.waitForFunction(() => document.querySelector(".card progress")?.value > 0);
  await sample.stop();
  await page.click("#stop");
  await page.waitForSelector("body[data-state=stopped]", { timeout: 10_000 });
  assert.equal(await page.isEnabled("#start"), true);
});

test("a worker that cannot be loaded or fails is said, and replaced", async (t) => {
  const sample = await startSample(t, { poster: "small.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), sample.volunteerUrl);
  const faults = ["**/worker.js", "**/mandelbrot_bg.wasm"];
  for (const fault of faults) await page.route(fault, (route) => route.abort(), { times: 1 });
  await page.click("#start");
  await untilStatus(page, /^This core's worker failed\. Starting it again (in \d+ s|now)\.$/);
  assert.match(await page.textContent(".card .note"), /could not be loaded/);
  await page.waitForFunction(() => /fetch/.test(document.querySelector(".card .note").textContent));
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
});
