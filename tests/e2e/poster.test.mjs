// The main road: from `npm start`'s own path to a finished picture in a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { assertSamePicture, canvasPixels, openBrowser, openVolunteerPage } from "./browser.mjs";
import {
  isDeserted,
  nativeRender,
  screenshotFile,
  startSample,
  status,
  untilTracker,
} from "./sample.mjs";

test("a volunteer's browser paints the poster through both stages", async (t) => {
  const { url, volunteerUrl } = await startSample(t, { poster: "small.json" });
  const { page, asked, complaints } = await openVolunteerPage(await openBrowser(t), volunteerUrl);

  await page.waitForFunction(() => document.title.startsWith("Mandelbrot poster"));
  await page.waitForFunction(() => /None of 12/.test(document.body.innerText));
  await page.waitForFunction(() => performance.getEntriesByName(location.href).length > 0);
  const before = [...asked];
  const allowed = /^GET http:\/\/127\.0\.0\.1:\d+\/(volunteer\/|api\/(project|results)\b)/;
  assert.deepEqual(
    before.filter((request) => !allowed.test(request)),
    [],
    "asked before Start",
  );
  assert.ok(before.some((request) => request.includes("/api/results")));

  await page.fill("#nickname", "Ada");
  await page.click("#start");
  await page.waitForSelector("body[data-state=finished]");
  assert.match(await page.textContent("#status"), /finished/);
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  await page.screenshot({ path: screenshotFile("poster.png"), fullPage: true });

  const { jobs, closed } = await status(url);
  assert.deepEqual([jobs, closed], [12, 12]);
  assert.equal(await page.textContent("#rendered"), "12");
  assert.equal(await page.textContent("#checked"), "12");
  await untilTracker(url, "deserted after the poster was finished", isDeserted);
  assert.deepEqual(
    // A busy worker hears by blob URLs, which never leave the browser.
    asked.filter((request) => !/ (blob:)?(\S+)/.exec(request)[2].startsWith(`${url}/`)),
    [],
    "asked of another host",
  );
  assert.ok(
    asked.some((request) => request.endsWith("/api/sync")),
    "workers were watched",
  );
  assert.deepEqual(complaints, []);

  await t.test("who comes later sees it at once and need not start", async () => {
    await page.reload();
    await page.waitForSelector("body[data-state=finished]");
    assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
    assert.equal(await page.inputValue("#nickname"), "Ada", "the nickname is remembered");
    assert.ok(await page.isDisabled("#start"));
  });

  await t.test("the dashboard's preview shows the same picture", async () => {
    await page.goto(new URL("picture.html", volunteerUrl).href);
    await page.waitForFunction(() => /All 12 tiles/.test(document.body.innerText));
    assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
    assert.deepEqual(complaints, []);
  });
});
