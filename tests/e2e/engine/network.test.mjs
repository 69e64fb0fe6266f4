// The network or the tracker fails while jobs are running: the work continues, and nothing is lost.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "../browser.mjs";
import { untilTrue } from "../sample.mjs";
import {
  allDoneOnce,
  begin,
  jobs,
  notesOf,
  nothingBegunTwice,
  openTab,
  startSetting,
  statusOf,
  until,
  untilCounters,
  untilKept,
} from "./setting.mjs";

for (const network of ["off", "silent", "deaf"]) {
  test(`work continues while the network is ${network}, and is submitted afterwards`, async (t) => {
    const list = [{ act: "busy", ms: 7000 }, ...jobs(11, { act: "wait", ms: 1000 })];
    // Longer for "silent", because a client waits 20 s for an answer before it gives up.
    const leaseS = network === "silent" ? 60 : 15;
    const { tracker, proxy, site } = await startSetting(t, { jobs: list, leaseS });
    const context = await (await openBrowser(t)).newContext();
    const page = await openTab(context, { site, url: proxy.url });
    // By now the client knows the duration of jobs, and has fetched some in advance.
    await until(page, () => window.volunteer.status.jobsDone >= 2);
    await untilCounters(tracker, ({ held }) => held >= 3);
    proxy.network = network;
    const since = Date.now();
    await until(page, () => window.volunteer.status.waiting >= 4);
    // Longer than a third of the lease time, the interval after which a client syncs again.
    await until(page, () => window.volunteer.status.connection === "unreachable");
    await untilTrue(() => Date.now() - since >= (1000 * leaseS) / 3);
    t.diagnostic(`${(await statusOf(page)).waiting} results waited`);
    proxy.network = "on";
    await allDoneOnce(tracker, 12);
    await nothingBegunTwice(page);
    await until(page, () => window.volunteer.status.jobsDone === 12);
    const { waiting: left, connection: now, jobsRejected } = await statusOf(page);
    assert.deepEqual([left, now, jobsRejected], [0, "online", 0]);
  });
}

test("a tracker that is killed and restarted accepts each job once", async (t) => {
  const list = jobs(40, { act: "wait", ms: 200 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await untilCounters(tracker, ({ done }) => done >= 8);
  await tracker.kill();
  await until(page, () => window.volunteer.status.connection === "unreachable");
  await tracker.restart();
  await allDoneOnce(tracker, 40);
  await nothingBegunTwice(page);
});

test("unsubmitted results survive a reload of the page", async (t) => {
  const list = jobs(2, { act: "busy", ms: 1000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const options = { url: proxy.url };
  const page = await openTab(context, { site, ...options });
  await until(page, () => window.notes.filter(({ note }) => note === "begin").length === 2);
  await tracker.kill();
  await until(page, () => window.volunteer.status.waiting === 2);
  await untilKept(page, (kept) => kept.filter(({ kind }) => kind === "done").length === 2);
  await page.reload();
  await begin(page, options);
  await until(page, () => {
    const { waiting, reason } = window.volunteer.status;
    return waiting === 2 && reason.code === "unreachable";
  });
  await tracker.restart();
  await allDoneOnce(tracker, 2);
  assert.deepEqual(await notesOf(page, "begin"), [], "they were not computed again");
  const { jobsDone, notDelivered } = await until(page, () => {
    const { status } = window.volunteer;
    return status.waiting === 0 && status;
  });
  assert.deepEqual([jobsDone, notDelivered], [2, 0]);
});

test("the browser sends one CORS preflight for each call, and not one for each request", async (t) => {
  const list = jobs(12, { act: "wait", ms: 1000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  await openTab(context, { site, url: proxy.url });
  await allDoneOnce(tracker, 12);
  const syncs = proxy.requests.filter(({ path }) => path === "/api/sync").length;
  t.diagnostic(`${proxy.preflights} preflights for ${syncs} requests`);
  assert.ok(syncs >= 4, `${syncs} requests`);
  // The registration, which has the proof of a key, and the first sync.
  assert.equal(proxy.preflights, 2);
});
