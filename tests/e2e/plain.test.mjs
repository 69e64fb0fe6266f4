// A tracker in somebody's own network has no certificate: browsers then withhold what they keep for
// secure pages, and the page must do without.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertSamePicture, canvasPixels, openBrowser, openVolunteerPage } from "./browser.mjs";
import { nativeRender, startSample } from "./sample.mjs";

test("a page on plain http of another name paints the poster too", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "small.json" });
  const elsewhere = volunteerUrl.replace("127.0.0.1", "volunteers.test");
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), elsewhere);
  assert.equal(await page.evaluate(() => window.isSecureContext), false);
  await page.click("#start");
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  // The browser says that this header is for secure pages; it is of use wherever there is a certificate.
  const header = "The Cross-Origin-Opener-Policy header has been ignored";
  assert.deepEqual(
    complaints.filter((text) => !text.startsWith(header)),
    [],
  );
});

test("keys are enough: name, cores, intensity, Start, Stop", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  const focused = () => page.evaluate(() => document.activeElement.id);
  await page.locator("#nickname").focus();
  await page.keyboard.type("Grace");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "cores");
  await page.keyboard.press("End");
  const { value, max } = await page.evaluate(() => {
    const { value, max } = document.querySelector("#cores");
    return { value, max };
  });
  assert.equal(value, max);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "intensity");
  await page.keyboard.press("Home");
  assert.equal(await page.textContent("#intensity-text"), "10 %");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "start");
  await page.keyboard.press("Enter");
  await page.waitForSelector("body[data-state=computing]");
  assert.equal(await focused(), "stop", "the focus is not lost with the button");
  await page.keyboard.press("Enter");
  await page.waitForSelector("body[data-state=stopped]");
  assert.equal(await focused(), "start");
});
