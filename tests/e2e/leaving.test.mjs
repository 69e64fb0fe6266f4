// Leaving in the middle of a job returns the job to the tracker: with Stop, by closing the page, or by
// navigating to another page.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { barValue, openBrowser, openVolunteerPage, untilProgress } from "./browser.mjs";
import { held, isDeserted, startSample, untilTracker } from "./sample.mjs";

/** A poster whose tiles take longer than any of these tests. */
const poster = "slow.json";

/** Opens a page and waits until it is in the middle of a job. */
async function workingPage(t) {
  const { url, volunteerUrl } = await startSample(t, { poster });
  const opened = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  await opened.page.click("#start");
  await untilTracker(url, "working on a job", (now) => held(now) > 0);
  await untilProgress(opened.page);
  return { ...opened, url };
}

const nothingLost = ({ stages: [render, check] }) =>
  render.open === 2 && render.done === 0 && check.open === 0;

describe("leaving in the middle of a job", () => {
  test("Stop returns the job and says so, and Start begins again", async (t) => {
    const { page, url, complaints } = await workingPage(t);
    await page.click("#stop");
    await page.waitForSelector("body[data-state=stopped]");
    assert.match(await page.textContent("#status"), /unfinished jobs/i);
    const now = await untilTracker(url, "deserted after Stop", isDeserted);
    assert.ok(nothingLost(now), JSON.stringify(now));
    await page.click("#start");
    await untilTracker(url, "working again", (now) => held(now) > 0);
    assert.deepEqual(complaints, []);
  });

  test("closing the page returns the job", async (t) => {
    const { page, url } = await workingPage(t);
    await page.close({ runBeforeUnload: false });
    const now = await untilTracker(url, "deserted after the page was closed", isDeserted);
    assert.ok(nothingLost(now), JSON.stringify(now));
  });

  test("navigating to another page returns the job", async (t) => {
    const { page, url } = await workingPage(t);
    await page.goto(`${url}/volunteer/icon.svg`);
    const now = await untilTracker(url, "deserted after going elsewhere", isDeserted);
    assert.ok(nothingLost(now), JSON.stringify(now));
  });

  test("a hidden page continues", async (t) => {
    const { page, url } = await workingPage(t);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    const then = await barValue(page);
    await untilProgress(page, then);
    assert.equal(await page.getAttribute("body", "data-state"), "computing");
    await untilTracker(url, "still working", (now) => held(now) > 0);
  });

  test("a page that is restored from the back/forward cache continues", async (t) => {
    const { page, url } = await workingPage(t);
    // The events that browsers dispatch when they cache a page and when they restore it.
    const tell = (type) =>
      page.evaluate(
        (type) => window.dispatchEvent(new PageTransitionEvent(type, { persisted: true })),
        type,
      );
    await tell("pagehide");
    await untilTracker(url, "deserted while it is kept", isDeserted);
    await tell("pageshow");
    await untilTracker(url, "working again", (now) => held(now) > 0);
    await page.waitForSelector("body[data-state=computing]");
  });
});
