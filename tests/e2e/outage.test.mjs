// Failures while volunteers compute are reported and recovered from: the tracker is stopped and
// restarted, workers cannot be loaded and are replaced.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  assertSamePicture,
  canvasPixels,
  delayAnswers,
  openBrowser,
  openVolunteerPage,
  untilProgress,
  untilStatus,
} from "./browser.mjs";
import { nativeRender, startSample, status, untilTracker } from "./sample.mjs";

test("the page reports that the tracker is unreachable, and continues when it is back", async (t) => {
  const sample = await startSample(t, { poster: "small.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), sample.volunteerUrl);
  // Slow enough that the tracker can be stopped in the middle of the poster.
  await delayAnswers(page, 300);
  await page.click("#start");
  await untilTracker(sample.url, "begun", ({ stages: [render] }) => render.done >= 2);
  await sample.stop();

  await untilStatus(page, /^The tracker cannot be reached\. Trying again (in \d+ sec|now)\.$/);
  assert.equal(await page.textContent("#status-spoken"), "The tracker cannot be reached.");
  assert.equal(await page.getAttribute("body", "data-state"), "waiting");
  assert.equal(await page.textContent("#connection"), "cannot be reached");

  await sample.restart();
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  const { closed, jobs } = await status(sample.url);
  assert.deepEqual([closed, jobs], [12, 12]);
});

test("Stop works while the tracker is unreachable", async (t) => {
  const sample = await startSample(t, { poster: "slow.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), sample.volunteerUrl);
  await page.click("#start");
  await untilProgress(page);
  await sample.stop();
  await page.click("#stop");
  await page.waitForSelector("body[data-state=stopped]", { timeout: 10_000 });
  assert.equal(await page.isEnabled("#start"), true);
});

test("a worker or a kernel that cannot be loaded is reported and tried again", async (t) => {
  const sample = await startSample(t, { poster: "small.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), sample.volunteerUrl);
  const faults = ["**/worker.js", "**/mandelbrot_bg.wasm"];
  await Promise.all(faults.map((fault) => page.route(fault, (route) => route.abort())));
  await page.click("#start");
  await untilStatus(page, /^Your cores could not be started\. Trying again (in \d+ sec|now)\.$/);
  assert.match(await page.textContent("#advice"), /reload this page\. .*script cannot be loaded/);
  assert.equal(await page.getAttribute("body", "data-state"), "failed");
  await page.unroute(faults[0]);
  await untilStatus(page, /^The project's program could not be loaded\. Trying again/);
  await page.unroute(faults[1]);
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
});
