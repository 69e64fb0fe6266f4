// Handlers that block their thread: their progress is reported, they can be paused and throttled, and
// they are terminated if they hang.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "../browser.mjs";
import { untilTrue } from "../sample.mjs";
import {
  allDoneOnce,
  jobs,
  notesOf,
  nothingBegunTwice,
  openTab,
  shortLeaseS,
  startSetting,
  statusOf,
  until,
  untilCounters,
} from "./setting.mjs";

test("a job that blocks its thread for three lease times reports progress and is accepted", async (t) => {
  const ms = 3.2 * shortLeaseS * 1000;
  const list = [{ act: "busy", ms }, ...jobs(30, { act: "busy", ms: 500 })];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list, leaseS: shortLeaseS });
  const context = await (await openBrowser(t)).newContext();
  const limits = { progressIntervalMs: 500 };
  const page = await openTab(context, { site, url: proxy.url, limits });

  // The tracker keeps receiving progress while the job is running.
  const name = await until(page, () => window.volunteer.status.displayName);
  const progress = async () => {
    const html = await (await fetch(`${tracker.url}/worker/work/${name}`)).text();
    return Number(/busy \((\d+) %\)/.exec(html)?.[1] ?? 0);
  };
  for (const share of [20, 60, 90]) await untilTrue(async () => (await progress()) >= share);
  // So does the page.
  const { cores } = await statusOf(page);
  const core = cores.find(({ job }) => job === 1);
  assert.equal(core.text, "busy");
  assert.ok(core.done / core.total >= 0.85);
  // The other core has continued in the meantime.
  const others = await tracker.counters();
  assert.deepEqual([others.done, others.held], [30, 1]);

  const results = await allDoneOnce(tracker, 31);
  assert.ok(results.find(({ number }) => number === 1).output.worked >= ms);
  await nothingBegunTwice(page);
});

test("a blocking handler at an intensity of 30 % works 30 % of the time", async (t) => {
  const ms = 2000;
  const { tracker, proxy, site } = await startSetting(t, { jobs: jobs(2, { act: "busy", ms }) });
  const context = await (await openBrowser(t)).newContext();
  const settings = { intensity: 30 };
  const page = await openTab(context, { site, url: proxy.url, settings });
  await allDoneOnce(tracker, 2);
  const begun = await notesOf(page, "begin");
  const { computeMs } = await until(page, () => {
    const { jobsDone, computeMs } = window.volunteer.status;
    return jobsDone === 2 && { computeMs };
  });
  const ended = await notesOf(page, "end");
  const sum = (list) => list.reduce((all, one) => all + one, 0);
  const wall = sum(ended.map(({ at }) => at)) - sum(begun.map(({ at }) => at));
  const worked = sum(ended.map((one) => one.worked));
  const share = (part) => `${((100 * part) / wall).toFixed(1)} %`;
  t.diagnostic(`${share(computeMs)} of ${wall.toFixed()} ms; handlers say ${share(worked)}`);
  assert.ok(wall >= 2 * 5000, "too short to say");
  assert.ok(Math.abs(computeMs / wall - 0.3) <= 0.05, share(computeMs));
  // The time that the library spends in `progress` does not count.
  assert.ok(worked <= computeMs, share(worked));
  assert.ok(Math.abs(worked / wall - 0.3) <= 0.05, share(worked));
});

test("pause and resume take effect inside a blocking handler", async (t) => {
  const list = jobs(2, { act: "busy", ms: 4000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await until(
    page,
    () => window.volunteer.status.cores.filter(({ done }) => done > 500).length === 2,
  );
  await page.evaluate(() => window.volunteer.pause());
  // The pause takes effect within 250 ms; after that the progress stands still.
  const still = await until(page, () => {
    const done = window.volunteer.status.cores.map(({ done }) => done);
    const { before, since } = window.last ?? {};
    if (String(before) !== String(done)) window.last = { before: done, since: Date.now() };
    return Date.now() - since > 1500 && done;
  });
  assert.ok(
    still.every((done) => done < 4000),
    `${still}`,
  );
  assert.equal((await statusOf(page)).state, "paused");
  await page.evaluate(() => window.volunteer.resume());
  await allDoneOnce(tracker, 2);
  await nothingBegunTwice(page);
});

test("a job that exceeds its time limit or stalls fails, and its worker is replaced", async (t) => {
  const list = [{ act: "hang" }, { act: "stall" }, ...jobs(6, { act: "busy", ms: 50 })];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const limits = { jobTimeoutMs: 3000, stallMs: 1500 };
  const page = await openTab(context, { site, url: proxy.url, limits });
  const { failed, set_aside, accepted } = await untilCounters(tracker, ({ done }) => done === 6);
  assert.deepEqual({ failed, set_aside, accepted }, { failed: 2, set_aside: 2, accepted: 6 });
  const messages = failures(proxy);
  assert.equal(messages.length, 2);
  assert.match(messages[0], /stalled.*stallMs/);
  assert.match(messages[1], /longer than its owner allows \(jobTimeoutMs\)/);
  // The hub, two cores, and a replacement for each core that hung.
  await until(page, () => window.workers.length === 5 && window.living("compute").length === 2);
  assert.equal((await statusOf(page)).jobsFailed, 2);
});

test("a WebAssembly trap fails only its own job and replaces only its own worker", async (t) => {
  const list = [{ act: "trap" }, ...jobs(20, { act: "busy", ms: 50 })];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  const { failed, set_aside, accepted, lost } = await untilCounters(
    tracker,
    ({ done }) => done === 20,
  );
  assert.deepEqual(
    { failed, set_aside, accepted, lost },
    { failed: 1, set_aside: 1, accepted: 20, lost: 0 },
  );
  assert.match(failures(proxy)[0], /unreachable/);
  await nothingBegunTwice(page);
  await until(page, () => window.living("compute").length === 2);
  assert.equal((await page.evaluate(() => window.workers)).length, 4);
});

/** The reasons of failures that were reported to the tracker. */
function failures(proxy) {
  const messages = proxy.requests.filter(({ path }) => path === "/api/sync");
  return messages
    .flatMap(({ body }) => JSON.parse(body).failed ?? [])
    .map((one) => Object.values(one)[1]);
}
