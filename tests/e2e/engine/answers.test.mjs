// Proxies and servers that answer in place of the tracker, and storage that does not answer: the
// client reports the problem, and the remaining work continues.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startFaultyServer } from "../../faulty/server.mjs";
import { openBrowser } from "../browser.mjs";
import {
  begin,
  jobs,
  openTab,
  startSetting,
  startSite,
  statusOf,
  until,
  untilCounters,
  untilKept,
} from "./setting.mjs";

for (const [named, options] of [
  ["", {}],
  [", also if its answers have no CORS headers", { bare: true }],
  [", in the first protocol", { old: true }],
]) {
  test(`a result that a proxy rejects as too large fails, and the others are accepted${named}`, async (t) => {
    const { bare, old } = options;
    const list = [...jobs(3, { act: "text", size: 1000 }), { act: "text", size: 1_500_000 }];
    list.push(...jobs(3, { act: "text", size: 1000 }));
    const { tracker, proxy, site } = await startSetting(t, { jobs: list, old });
    // The default limit of nginx.
    proxy.refuses = ({ length }) => length > 1_000_000 && { status: 413, bare };
    const context = await (await openBrowser(t)).newContext();
    const page = await openTab(context, { site, url: proxy.url });
    await untilCounters(tracker, ({ done }) => done === 6);
    const { jobsFailed } = await until(
      page,
      () => window.volunteer.status.jobsFailed > 0 && window.volunteer.status,
    );
    assert.equal(jobsFailed, 1);
    if (old) return;
    await untilCounters(tracker, (counters) => counters.failed === 1 && counters.set_aside === 1);
  });
}

test("a redirect is reported with its target, and results are kept until it is gone", async (t) => {
  const list = jobs(4, { act: "wait", ms: 1500 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await until(page, () => window.notes.some(({ note }) => note === "begin"));
  proxy.refuses = () => ({ status: 301, location: tracker.url });
  const { error, waiting } = await until(page, () => {
    const { error, waiting, reason } = window.volunteer.status;
    return error?.code === "moved" && reason.code === "no_tracker" && { error, waiting };
  });
  assert.equal(error.address, tracker.url);
  assert.match(error.message, /moved/);
  assert.ok(waiting >= 1);
  // The client recovers when the redirect is removed.
  proxy.refuses = () => false;
  await untilCounters(tracker, ({ done }) => done === 4);
  await until(page, () => window.volunteer.status.error === null);
});

test("each kind of server that is no usable tracker has its own error code", async (t) => {
  const site = await startSite(t);
  const context = await (await openBrowser(t)).newContext();
  const faulty = await startFaultyServer();
  t.after(() => faulty.stop());
  const cases = [
    ["not_a_tracker", "/status/404"],
    ["not_a_tracker", "/html"],
    ["bad_answer", "/json"],
    ["origin_forbidden", "/no-cors"],
    ["not_allowed", "/status/403"],
  ];
  for (const [code, path] of cases) {
    const page = await openTab(context, { site, url: faulty.url + path });
    const { error, reason, state } = await until(
      page,
      () => window.volunteer.status.error && window.volunteer.status,
    );
    assert.equal(error.code, code);
    assert.deepEqual([state, reason.code], ["failed", "no_tracker"]);
    assert.ok(error.message.length > 30 && reason.until > 0);
    await page.close();
  }
});

test("the work continues without storage if opening it never completes", async (t) => {
  const { tracker, proxy, site } = await startSetting(t, {
    jobs: jobs(6, { act: "wait", ms: 50 }),
    prelude: () => "IDBFactory.prototype.open = () => ({});",
  });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await untilCounters(tracker, ({ done }) => done === 6);
  // The hub was not considered dead and replaced.
  const hubs = await page.evaluate(
    () => window.workers.filter(({ part }) => part === "hub").length,
  );
  assert.equal(hubs, 1);
});

test("storage that opens late is used from then on, and its results are submitted", async (t) => {
  let prelude = "";
  const { tracker, proxy, site } = await startSetting(t, {
    prelude: () => prelude,
    jobs: [...jobs(2, { act: "busy", ms: 500 }), ...jobs(4, { act: "wait", ms: 50 })],
  });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  // Results that cannot be submitted are stored.
  await until(page, () => window.notes.some(({ note }) => note === "begin"));
  proxy.network = "off";
  await untilKept(page, (kept) => kept.filter(({ kind }) => kind === "done").length === 2);
  prelude = `const real = IDBFactory.prototype.open;
     let first = true;
     IDBFactory.prototype.open = function (...names) {
       if (!first) return real.apply(this, names);
       first = false;
       const late = {};
       setTimeout(() => {
         const opening = real.apply(this, names);
         for (const on of ["onupgradeneeded", "onerror", "onsuccess"])
           opening[on] = (event) => {
             late.result = opening.result;
             late.error = opening.error;
             late[on]?.(event);
           };
       }, 9000);
       return late;
     };`;
  await page.reload();
  proxy.network = "on";
  await begin(page, { url: proxy.url });
  await untilCounters(tracker, ({ done }) => done === 6);
  const { jobsRejected } = await statusOf(page);
  assert.equal(jobsRejected, 0);
});
