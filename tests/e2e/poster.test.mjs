// The main scenario: a tracker started as by `npm start`, and a browser that finishes the picture.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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
  const { page, requests, complaints } = await openVolunteerPage(
    await openBrowser(t),
    volunteerUrl,
  );

  await page.waitForFunction(() => document.title.startsWith("Mandelbrot poster"));
  await page.waitForFunction(() => /None of 12/.test(document.body.innerText));
  await page.waitForFunction(() => performance.getEntriesByName(location.href).length > 0);
  const before = [...requests];
  const allowed = /^GET http:\/\/127\.0\.0\.1:\d+\/(volunteer\/|api\/(project|results)\b)/;
  assert.deepEqual(
    before.filter((request) => !allowed.test(request)),
    [],
    "requests before Start",
  );
  assert.ok(before.some((request) => request.includes("/api/results")));

  assert.ok(!(await page.isVisible("#record")), "there is nothing to count before Start");

  await page.fill("#nickname", "Ada");
  await page.click("#start");
  await page.waitForSelector("body[data-state=finished]");
  assert.match(await page.textContent("#status"), /finished/);
  assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
  await page.screenshot({ path: screenshotFile("poster.png"), fullPage: true });

  const { jobs, closed } = await status(url);
  assert.deepEqual([jobs, closed], [12, 12]);
  assert.equal(await page.textContent("#done-a"), "12");
  assert.equal(await page.textContent("#done-b"), "12");
  await untilTracker(url, "deserted after the poster was finished", isDeserted);
  assert.deepEqual(
    // Workers whose thread is busy are signalled through blob URLs, which never leave the browser.
    requests.filter((request) => !/ (blob:)?(\S+)/.exec(request)[2].startsWith(`${url}/`)),
    [],
    "requests to another host",
  );
  assert.ok(
    requests.some((request) => request.endsWith("/api/sync")),
    "workers were watched",
  );
  assert.deepEqual(complaints, []);

  await t.test("later visitors see the picture without pressing Start", async () => {
    requests.length = 0;
    await page.reload();
    await page.waitForSelector("body[data-state=finished]");
    assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
    assert.equal(await page.inputValue("#nickname"), "Ada", "the nickname is remembered");
    assert.ok(!(await page.isVisible("#start")), "a Start that does nothing");
    // Each visible tile is fetched once, and the outputs of stage a are not fetched at all.
    const queries = requests.map((request) => new URL(request.split(" ")[1]).searchParams);
    const tiles = queries.filter((query) => query.has("numbers"));
    assert.deepEqual(new Set(tiles.map((query) => query.get("stage"))), new Set(["b"]));
    const numbers = tiles.flatMap((query) => query.get("numbers").split(","));
    assert.deepEqual(
      numbers.map(Number).sort((one, other) => one - other),
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    const lists = queries.filter((query) => query.has("limit"));
    assert.ok(lists.every((query) => query.get("data") === "false"));
  });

  await t.test("the finished picture can be downloaded", async () => {
    const saving = page.waitForEvent("download");
    await page.click("#download");
    const saved = await saving;
    assert.match(saved.suggestedFilename(), /^Mandelbrot poster\.png$/);
    const file = readFileSync(await saved.path());
    const { width, height } = await nativeRender("small.json");
    assert.equal(file.toString("latin1", 1, 4), "PNG");
    assert.deepEqual([file.readUInt32BE(16), file.readUInt32BE(20)], [width, height]);
  });

  await t.test("the dashboard's preview shows the same picture", async () => {
    await page.goto(new URL("picture.html", volunteerUrl).href);
    await page.waitForFunction(() => /All 12 tiles/.test(document.body.innerText));
    assertSamePicture(await canvasPixels(page), await nativeRender("small.json"));
    assert.deepEqual(complaints, []);
  });
});
