// A nickname is shown as text everywhere, and never interpreted as HTML.

import assert from "node:assert/strict";
import { test } from "node:test";

import { delayAnswers, openBrowser, openPage, openVolunteerPage } from "./browser.mjs";
import { held, startSample, status, untilTracker } from "./sample.mjs";

const typed = `<img src=x onerror="document.title='owned'"><b>Eve</b>`;

/** Asserts that the page shows the text and has not interpreted it. */
async function assertIsText(page, where) {
  const found = await page.evaluate(() => ({
    text: document.body.innerText,
    images: document.querySelectorAll("img[src=x]").length,
    title: document.title,
  }));
  assert.ok(found.text.includes(typed), `${where} does not show it`);
  assert.equal(found.images, 0, `${where} made an image of it`);
  assert.notEqual(found.title, "owned", `${where} ran it`);
}

test("markup typed as a nickname stays text", async (t) => {
  const { url, volunteerUrl, dashboardUrl } = await startSample(t, { poster: "small.json" });
  const browser = await openBrowser(t);
  const { page, complaints } = await openVolunteerPage(browser, volunteerUrl);
  // Slow enough to read the dashboard while the volunteer is computing.
  await delayAnswers(page, 500);
  await page.fill("#nickname", typed);
  await page.click("#start");
  await untilTracker(url, "a job done", (now) => now.stages[0].done > 0 && held(now) > 0);
  assert.equal(await page.inputValue("#nickname"), typed);
  assert.equal(await page.evaluate(() => document.querySelectorAll("img[src=x]").length), 0);

  const dashboard = await openPage(browser, dashboardUrl);
  await assertIsText(dashboard.page, "the dashboard");
  const leaderboard = await openPage(browser, `${url}/leaderboard`);
  await assertIsText(leaderboard.page, "the leaderboard");

  await page.waitForSelector("body[data-state=finished]");
  assert.equal((await status(url)).closed, 12);
  for (const opened of [{ complaints }, dashboard, leaderboard]) {
    assert.deepEqual(opened.complaints, []);
  }
});
