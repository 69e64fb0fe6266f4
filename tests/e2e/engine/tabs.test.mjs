// Several tabs of one browser, with and without the Web Locks API.

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
  untilKept,
} from "./setting.mjs";

test("a second tab shows the first, controls it, and takes over when it closes", async (t) => {
  const list = [{ act: "steps", ms: 8000 }, ...jobs(3, { act: "busy", ms: 500 })];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const options = { site, url: proxy.url };
  const first = await openTab(context, options);
  await until(first, () => window.volunteer.status.state === "computing");
  const second = await openTab(context, options);
  const elsewhere = await until(second, () => {
    const { status } = window.volunteer;
    return status.state === "elsewhere" && status.jobsDone === 3 && status;
  });
  assert.equal(elsewhere.reason.code, "another_tab");
  assert.equal(elsewhere.elsewhere.state, "computing");
  assert.equal(await second.evaluate(() => window.workers.length), 0);

  await second.evaluate(() => window.volunteer.pause());
  await until(first, () => window.volunteer.status.state === "paused");
  await until(second, () => window.volunteer.status.elsewhere?.state === "paused");
  await second.evaluate(() => window.volunteer.resume());
  await until(first, () => window.volunteer.status.state === "computing");

  await untilKept(first, (kept) => kept.some(({ state }) => state >= 1000));
  // Tabs check once a second which others are waiting.
  await second.evaluate(() => {
    const look = ({ state }) => {
      if (state !== "elsewhere") window.tookOver ??= Date.now();
    };
    window.volunteer.subscribe(look);
  });
  const closed = Date.now();
  await first.close();
  const took = (await until(second, () => window.tookOver)) - closed;
  t.diagnostic(`took over after ${took} ms`);
  assert.ok(took < 1000, `${took} ms`);
  const results = await allDoneOnce(tracker, 4);
  const { from } = results.find(({ number }) => number === 1).output;
  assert.ok(from >= 1000, `begun again at ${from}`);
  const [{ job, restored }] = await notesOf(second, "begin");
  assert.deepEqual([job, restored], [1, from]);
});

test("without locks, as in insecure contexts, each tab is a separate volunteer", async (t) => {
  const list = jobs(40, { act: "busy", ms: 200 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const options = { site: site.replace("127.0.0.1", "volunteers.test"), url: proxy.url };
  const tabs = [await openTab(context, options), await openTab(context, options)];
  for (const tab of tabs) {
    const seen = await tab.evaluate(() => [isSecureContext, typeof navigator.locks]);
    assert.deepEqual(seen, [false, "undefined"]);
    await until(tab, () => window.volunteer.status.jobsDone >= 2);
  }
  await allDoneOnce(tracker, 40);
  for (const tab of tabs) await nothingBegunTwice(tab);
});
