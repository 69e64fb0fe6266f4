// The replacement of workers: of a hub that has failed, and of all workers for a new version.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "../browser.mjs";
import {
  allDoneOnce,
  jobs,
  notesOf,
  nothingBegunTwice,
  openTab,
  startSetting,
  until,
  untilCounters,
} from "./setting.mjs";

for (const act of ["wait", "busy"]) {
  test(`jobs that ${act} survive their hub, and their results are accepted`, async (t) => {
    const list = [...jobs(2, { act, ms: 4000 }), ...jobs(10, { act: "busy", ms: 100 })];
    const { tracker, proxy, site } = await startSetting(t, { jobs: list });
    const context = await (await openBrowser(t)).newContext();
    const page = await openTab(context, { site, url: proxy.url });
    await until(page, () => window.volunteer.status.cores.filter(({ job }) => job).length === 2);
    await until(page, () => window.notes.length === 2);
    await page.evaluate(() => window.living("hub")[0].worker.postMessage({ fail: true }));
    await until(page, () => window.living("hub").length === 1 && window.workers[0].ended);
    await allDoneOnce(tracker, 12);
    await nothingBegunTwice(page);
    const created = await page.evaluate(() =>
      window.workers.map(({ part, ended }) => [part, ended]),
    );
    assert.deepEqual(created, [
      ["hub", true],
      ["compute", false],
      ["compute", false],
      ["hub", false],
    ]);
  });
}

test("a job that hangs is terminated although the hub that assigned it has failed", async (t) => {
  const list = [{ act: "hang" }, ...jobs(10, { act: "busy", ms: 100 })];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const limits = { jobTimeoutMs: 5000 };
  const page = await openTab(context, { site, url: proxy.url, limits });
  await untilCounters(tracker, ({ done }) => done === 10);
  await page.evaluate(() => window.living("hub")[0].worker.postMessage({ fail: true }));
  await until(page, () => window.living("hub").length === 1 && window.workers[0].ended);
  await until(page, () => window.workers.length === 5 && window.living("compute").length === 2);
  const created = await page.evaluate(() => window.workers.map(({ part }) => part));
  assert.deepEqual(created, ["hub", "compute", "compute", "hub", "compute"]);
});

test("a new version of the project replaces all workers when their jobs are done", async (t) => {
  const list = [...jobs(2, { act: "busy", ms: 4000 }), ...jobs(10, { act: "busy", ms: 100 })];
  const args = ["--app-version", "1"];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list, args, leaseS: 6 });
  const context = await (await openBrowser(t)).newContext();
  const limits = { progressIntervalMs: 500 };
  const page = await openTab(context, { site, url: proxy.url, limits });
  await until(page, () => window.notes.length === 2);
  await tracker.kill();
  await tracker.restart(["--app-version", "2"]);
  await untilCounters(tracker, ({ done }) => done === 12);
  await allDoneOnce(tracker, 12);
  await nothingBegunTwice(page);
  const created = await page.evaluate(() => window.workers.map(({ part, ended }) => [part, ended]));
  const three = (ended) => [["hub", ended], ...jobs(2, ["compute", ended])];
  assert.deepEqual(created, [...three(true), ...three(false)]);
  assert.ok((await page.evaluate(() => window.reasons)).includes("updating"));
  // The first two jobs were not interrupted.
  const long = (await notesOf(page, "end")).filter(({ job }) => job <= 2);
  assert.ok(long.every(({ worked }) => worked >= 4000));
});
