// The page over plain HTTP, as on a local network without a certificate, where browsers lack the APIs
// that are limited to secure contexts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertSamePicture, canvasPixels, openBrowser, openVolunteerPage } from "./browser.mjs";
import { nativeRender, startSample } from "./sample.mjs";

test("a page in an insecure context paints the poster too", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "small.json" });
  const elsewhere = volunteerUrl.replace("127.0.0.1", "volunteers.test");
  const { page, complaints } = await openVolunteerPage(await openBrowser(t), elsewhere);
  assert.equal(await page.evaluate(() => window.isSecureContext), false);
  await page.click("#start");
  await page.waitForSelector("body[data-state=finished]");
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  // Browsers ignore this header in insecure contexts, and log a message about it.
  const header = "The Cross-Origin-Opener-Policy header has been ignored";
  assert.deepEqual(
    complaints.filter((text) => !text.startsWith(header)),
    [],
  );
});

test("the keyboard is enough for the nickname, cores, intensity, Start and Stop", async (t) => {
  const { volunteerUrl } = await startSample(t, { poster: "slow.json" });
  const { page } = await openVolunteerPage(await openBrowser(t), volunteerUrl);
  const focused = () => page.evaluate(() => document.activeElement.shadowRoot.activeElement.id);
  await page.locator("#nickname").focus();
  await page.keyboard.type("Grace");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "cores");
  await page.keyboard.press("End");
  const { value, max } = await page.evaluate(() => {
    const { value, max } = document.activeElement.shadowRoot.querySelector("#cores");
    return { value, max };
  });
  assert.equal(value, max);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "intensity");
  await page.keyboard.press("Home");
  assert.equal(await page.textContent("#intensity-text"), "10%");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "start");
  await page.keyboard.press("Enter");
  await page.waitForSelector("body[data-state=computing]");
  assert.equal(await focused(), "stop", "the focus is not lost with the button");
  await page.keyboard.press("Enter");
  await page.waitForSelector("body[data-state=stopped]");
  assert.equal(await focused(), "start");
});
