// The volunteer's controls: settings that are stored, Pause, Finish and stop, Forget me; and the
// coordination of several tabs.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  assertSamePicture,
  barValue,
  canvasPixels,
  openBrowser,
  openTab,
  openVolunteerPage,
  untilProgress,
  untilStatus,
} from "./browser.mjs";
import { held, isDeserted, nativeRender, startSample, status, untilTracker } from "./sample.mjs";

/** Everything that the browser stores for the page. */
function kept(page) {
  return page.evaluate(async () => {
    const request = indexedDB.open("distcompute", 1);
    // The store does not exist before the engine has written to it.
    request.onupgradeneeded = () => request.result.createObjectStore("kept");
    const database = await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const count = database.transaction("kept").objectStore("kept").count();
    const entries = await new Promise((resolve) => (count.onsuccess = () => resolve(count.result)));
    database.close();
    return { entries, settings: localStorage.length };
  });
}

test("settings are remembered, and take effect at once", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.click("summary");
  assert.ok(await page.isChecked("#battery"));
  assert.ok(await page.isChecked("#background"));
  assert.ok(!(await page.isChecked("#mind-hours")));
  await page.fill("#nickname", "Ada");
  await page.uncheck("#battery");
  await page.uncheck("#background");
  await page.fill("#intensity", "30");
  await page.click("#start");
  await untilStatus(page, /^Working on \d+ cores?, 30% of the time\.$/);
  await page.fill("#intensity", "100");
  await untilStatus(page, /^Working on \d+ cores?\.$/);

  // Hours that begin about two hours from now.
  const [from, to] = await page.evaluate(() => {
    const clock = (hours) => {
      const time = new Date(Date.now() + hours * 3600_000);
      return `${time.getHours()}`.padStart(2, "0") + ":30";
    };
    return [clock(2), clock(3)];
  });
  await page.check("#mind-hours");
  await page.fill("#from", from);
  await page.fill("#to", to);
  // Each browser begins after a random delay of up to five minutes.
  await untilStatus(page, /^Paused until .*:3[0-5].*, when the hours you chose begin\.$/);
  assert.equal(await page.getAttribute("body", "data-state"), "paused");

  await page.reload();
  await page.waitForSelector("body[data-state=stopped]");
  await page.click("summary");
  assert.equal(await page.inputValue("#nickname"), "Ada");
  assert.equal(await page.inputValue("#intensity"), "100");
  assert.ok(!(await page.isChecked("#battery")));
  assert.ok(!(await page.isChecked("#background")));
  assert.ok(await page.isChecked("#mind-hours"));
  assert.deepEqual([await page.inputValue("#from"), await page.inputValue("#to")], [from, to]);
  assert.deepEqual(complaints, []);
});

test("a lower intensity takes effect in the middle of a tile", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.fill("#intensity", "100");
  await page.click("#start");
  await untilProgress(page);
  const share = async () => {
    const seconds = 6;
    const at = () =>
      page
        .locator(".card progress")
        .first()
        .evaluate((bar) => [performance.now(), bar.value]);
    const [begun, first] = await at();
    await page.waitForFunction((until) => performance.now() > until, begun + seconds * 1000);
    const [ended, last] = await at();
    return (last - first) / (ended - begun);
  };
  const full = await share();
  await page.fill("#intensity", "30");
  await untilStatus(page, /30%/);
  const gentle = await share();
  const part = gentle / full;
  assert.ok(part > 0.1 && part < 0.55, `${part} of the full speed`);
  assert.deepEqual(complaints, []);
});

test("a pause returns the jobs that have not started, and shows its end", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "small.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  // The kernel is not loaded yet, so jobs are leased but none of them starts.
  let go;
  const waiting = new Promise((resolve) => (go = resolve));
  await page.context().route("**/mandelbrot_bg.wasm", async (route) => {
    await waiting;
    await route.continue();
  });
  await page.click("#start");
  await untilTracker(url, "holding jobs", (now) => held(now) > 0);
  await page.click("#pause-30");
  const told = await page.evaluate(() => {
    const time = new Date(Date.now() + 30 * 60_000);
    return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  });
  await untilStatus(page, new RegExp(`^Paused until ${told}, as you asked\\.$`));
  await untilTracker(url, "holding none", (now) => held(now) === 0);
  go();
  assert.equal((await status(url)).stages[0].done, 0);
  await page.click("#resume");
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
});

test("a pause interrupts a tile that is being painted, which continues afterwards", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.click("#start");
  await untilProgress(page);
  await page.click("#pause-60");
  await page.waitForSelector(".card[data-state=paused]");
  assert.match(await page.textContent(".card .doing"), /^Paused in the middle of job 1\.$/);
  const then = await barValue(page);
  await page.click("#resume");
  await untilProgress(page, then);
  await untilStatus(page, /^Working on/);
});

test("Finish and stop completes the running jobs and takes no new ones", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "middle.json" });
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.fill("#cores", "1");
  await page.click("#start");
  await untilProgress(page);
  await page.click("#finish");
  await untilStatus(page, /^Finishing the running jobs/);
  assert.ok(await page.isVisible("#stop"), "who cannot wait can still stop");
  await page.waitForSelector("body[data-state=stopped]");
  const now = await untilTracker(url, "deserted", isDeserted);
  const done = now.stages.reduce((sum, stage) => sum + stage.done, 0);
  assert.ok(done >= 1, "what was begun was handed in");
  assert.ok(now.closed < now.jobs, "and no more was taken");
  assert.deepEqual(complaints, []);
});

test("Forget me asks for confirmation, stops, and leaves nothing in the browser", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.fill("#nickname", "Ada");
  await page.fill("#intensity", "50");
  await page.click("#start");
  await untilProgress(page);
  const before = await kept(page);
  assert.ok(before.entries > 0 && before.settings > 0, JSON.stringify(before));
  await page.click("summary");
  await page.click("#forget");
  await page.click("#forget-not");
  assert.equal(await page.getAttribute("body", "data-state"), "computing");
  await page.click("#forget");
  await page.click("#forget-sure");
  await page.locator("#forgotten", { hasText: /^Done\./ }).waitFor();
  assert.deepEqual(await kept(page), { entries: 0, settings: 0 });
  assert.equal(await page.inputValue("#nickname"), "");
  assert.equal(await page.inputValue("#intensity"), "80");
  assert.equal(await page.textContent("#status"), "Nothing runs until you press Start.");
  await untilTracker(url, "deserted", isDeserted);
  assert.deepEqual(complaints, []);
});

test("the screen is kept awake on request, and again after the page was hidden", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await page.evaluate(() => {
    window.locks = 0;
    window.lockRequests = 0;
    navigator.wakeLock.request = async () => {
      window.locks += 1;
      window.lockRequests += 1;
      return { release: async () => (window.locks -= 1) };
    };
  });
  await page.click("summary");
  await page.check("#awake");
  assert.equal(await page.evaluate(() => window.lockRequests), 0, "nothing runs");
  await page.click("#start");
  await page.waitForFunction(() => window.locks === 1);
  await page.evaluate(() => {
    // Browsers release the lock while the page is hidden.
    window.locks -= 1;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.waitForFunction(() => window.locks === 1 && window.lockRequests === 2);
  await page.uncheck("#awake");
  await page.waitForFunction(() => window.locks === 0);
  assert.deepEqual(complaints, []);
});

describe("a second tab", () => {
  async function twoTabs(t) {
    const { url, volunteerUrl } = await startSample(t, { poster: "slow.json" });
    const { page } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
    await page.click("#start");
    await untilProgress(page);
    const second = await openTab(page);
    await untilStatus(second, /^In another tab: Working on \d+ core/);
    assert.equal(await second.getAttribute("body", "data-state"), "elsewhere");
    return { url, first: page, second };
  }

  test("shows the work of the first tab, and takes over when that is closed", async (t) => {
    const { url, first, second } = await twoTabs(t);
    await untilProgress(second);
    await second.click("#start");
    await untilStatus(second, /Working on .* When that tab is closed, this one takes over\.$/);
    await first.close({ runBeforeUnload: false });
    await second.waitForSelector("body[data-state=computing]");
    await untilProgress(second);
    await untilTracker(url, "working", (now) => held(now) > 0);
  });

  test("controls the first tab", async (t) => {
    const { url, first, second } = await twoTabs(t);
    await second.fill("#intensity", "60");
    await untilStatus(first, /60% of the time/);
    assert.equal(await first.inputValue("#intensity"), "60");
    await second.click("#pause-30");
    await untilStatus(first, /^Paused until/);
    await untilStatus(second, /^In another tab: Paused until/);
    await second.click("#resume");
    await untilStatus(first, /^Working/);
    await second.click("#stop");
    await first.waitForSelector("body[data-state=stopped]");
    await untilTracker(url, "deserted", isDeserted);
  });
});
