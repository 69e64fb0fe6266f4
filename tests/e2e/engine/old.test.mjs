// Trackers of the first protocol: ours with its extensions hidden, and an independent implementation
// with the defects of the original (tests/old).

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startOldTracker } from "../../old/server.mjs";
import { openBrowser } from "../browser.mjs";
import { untilTrue } from "../sample.mjs";
import { startProxy } from "./proxy.mjs";
import {
  allDoneOnce,
  jobs,
  nothingBegunTwice,
  openTab,
  startSetting,
  startSite,
  until,
} from "./setting.mjs";

const list = [...jobs(4, { act: "wait", ms: 1000 }), ...jobs(36, { act: "busy", ms: 100 })];

test("our tracker without sync accepts each job once", async (t) => {
  const { tracker, proxy, site } = await startSetting(t, { jobs: list, old: true });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await until(page, () => window.volunteer.status.jobsDone >= 8);
  // Requests take effect, but their answers are lost: results whose acceptance the client does not
  // learn of, and jobs that are reserved for it without its knowledge.
  proxy.network = "deaf";
  await until(page, () => window.volunteer.status.connection === "unreachable");
  proxy.network = "on";
  await allDoneOnce(tracker, 40);
  await nothingBegunTwice(page);
  assert.ok(
    !proxy.requests.some(({ path }) => path === "/api/sync"),
    "the client never called sync",
  );
  await page.evaluate(() => window.volunteer.stop());
  await until(page, () => window.volunteer.status.state === "stopped");
  // On a slow machine more workers are registered, some of them while the network is deaf.
  assert.equal((await tracker.counters()).workers, proxy.unheard);
});

test("an independent tracker of the first protocol accepts each job once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-old-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const jsonl = join(folder, "jobs.jsonl");
  writeFileSync(jsonl, list.map((job) => `${JSON.stringify(job)}\n`).join(""));
  const tracker = await startOldTracker({ jsonl, cors: true, stages: { a: "Work" } });
  t.after(() => tracker.stop());
  const proxy = await startProxy(t, { url: tracker.url });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site: await startSite(t), url: proxy.url });
  await until(page, () => window.volunteer.status.jobsDone === 40);
  const { jobs: jobStates } = tracker.state();
  assert.ok(jobStates.every(({ closed }) => closed));
  const completed = proxy.requests.filter(({ path }) => path === "/api/completeJob");
  assert.equal(completed.length, 40, "each result was submitted once");
  await nothingBegunTwice(page);
  await page.evaluate(() => window.volunteer.stop());
  await untilTrue(() => tracker.state().workers.length === 0);
});
