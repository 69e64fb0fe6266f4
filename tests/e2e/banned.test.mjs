// The operator bans a volunteer who is computing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser, openVolunteerPage, untilStatus } from "./browser.mjs";
import { held, screenshotFile, startSample, untilTracker } from "./sample.mjs";

test("a banned volunteer is notified, loses all leases, and continues when pardoned", async (t) => {
  // With short leases a client asks every few seconds, and soon learns what has changed. The page says so when
  // the running tiles are finished, which must not take minutes.
  const extraArgs = ["--lease-s", "6"];
  const { url, volunteerUrl, operate } = await startSample(t, { poster: "middle.json", extraArgs });
  const browser = await openBrowser(t);
  const { page } = await openVolunteerPage(browser, volunteerUrl);
  await page.fill("#nickname", "Mallory");
  await page.click("#start");
  await untilTracker(url, "at work", (now) => held(now) > 0);

  const banned = await operate("ban", "--nickname", "Mallory", "--reason", "junk");
  assert.match(banned, /^banned the nickname "Mallory"; [1-9]\d* workers? w/);
  await untilStatus(page, /does not accept work from your nickname or your network address/);
  await page.locator("#advice", { hasText: "write to the project" }).waitFor();
  await untilTracker(url, "nothing held", (now) => held(now) === 0);
  for (const [name, width] of Object.entries({ wide: 1280, narrow: 360 })) {
    await page.setViewportSize({ width, height: 800 });
    await page.screenshot({ path: screenshotFile(`banned-${name}.png`) });
  }

  assert.match(await operate("pardon", "--nickname", "Mallory"), /^pardoned/);
  await untilTracker(url, "at work again", (now) => held(now) > 0);
});
