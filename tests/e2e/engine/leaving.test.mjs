// What happens to jobs when a volunteer pauses, stops, closes the tab, or the tab crashes.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

import { processesBelow } from "../../../bench/machine.mjs";
import { chromiumArgs, ensureChromium } from "../../../scripts/browsers.mjs";
import { openBrowser } from "../browser.mjs";
import {
  allDoneOnce,
  begin,
  jobs,
  longLeaseS,
  notesOf,
  nothingBegunTwice,
  openTab,
  shortLeaseS,
  startSetting,
  statusOf,
  until,
  untilCounters,
  untilKept,
} from "./setting.mjs";

/** Creates a browser profile, and functions that start and end a browser with it. */
async function openProfile(t) {
  const profile = mkdtempSync(join(tmpdir(), "distcompute-profile-"));
  t.after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
  const executablePath = await ensureChromium();
  const open = async () => {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath,
      args: chromiumArgs(),
    });
    t.after(() => end(context));
    return context;
  };
  // A browser with a crashed tab does not always exit when it is closed.
  const end = async (context) => {
    const closed = context.close();
    const stuck = sleep(20_000, true, { ref: false });
    if (await Promise.race([closed, stuck])) kill(profile);
    await closed;
  };
  return { open, end };
}

/** Kills the browser with this profile. */
function kill(profile) {
  const its = processesBelow(process.pid).filter(({ command }) => command.includes(profile));
  for (const { pid } of its) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // A child process may already have ended together with the browser.
    }
  }
}

test("a job of a crashed tab continues from its checkpoint", async (t) => {
  const list = [{ act: "steps", ms: 4000 }];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const { open, end } = await openProfile(t);
  const options = { url: proxy.url };
  const first = await open();
  const page = await openTab(first, { site, ...options });
  // The stored checkpoint lags behind the reported progress.
  await untilKept(page, (kept) => kept.some(({ state }) => state >= 1000));
  const crashed = page.waitForEvent("crash");
  const devtools = await first.newCDPSession(page);
  devtools.send("Page.crash").catch(() => {});
  await crashed;
  await end(first);
  assert.equal((await tracker.counters()).held, 1, "the job is still leased");

  const again = await openTab(await open(), { site, ...options });
  const [{ output }] = await allDoneOnce(tracker, 1);
  assert.ok(output.from >= 1000, `from ${output.from}`);
  const [{ restored }] = await notesOf(again, "begin");
  assert.equal(restored, output.from);
  await until(again, () => window.volunteer.status.jobsDone === 1);
});

test("a job of a closed tab continues from its checkpoint, and the others are returned", async (t) => {
  const list = [
    { act: "steps", ms: 3000 },
    { act: "busy", ms: 30_000 },
  ];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const options = { url: proxy.url };
  const page = await openTab(context, { site, ...options });
  await untilKept(page, (kept) => kept.some(({ state }) => state >= 1000));
  // The final request of a closing page is prepared once a second.
  await until(
    page,
    () => window.volunteer.status.cores.filter(({ done }) => done > 1200).length === 2,
  );
  await page.goto("about:blank");
  // The job is returned immediately, and not only when its lease expires.
  await untilCounters(tracker, ({ held, open }) => held === 1 && open === 1, 500 * longLeaseS);

  const settings = { cores: 1 };
  await page.goto(site);
  await begin(page, { ...options, settings });
  await untilCounters(tracker, ({ done }) => done === 1);
  const [{ number, output }] = await tracker.results();
  assert.equal(number, 1);
  assert.ok(output.from >= 1000, `from ${output.from}`);
});

test("a pause returns jobs that have not started immediately, and the rest after a lease", async (t) => {
  const list = jobs(24, { act: "busy", ms: 1000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list, leaseS: shortLeaseS });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await untilCounters(tracker, ({ done, held }) => done >= 4 && held > 2);
  // Shortly after both jobs have begun: a worker looks for signals four times a second, and a job that
  // ends before that is no job that a pause interrupts.
  await until(page, () => {
    const { cores } = window.volunteer.status;
    const begun =
      cores.length === 2 && cores.every(({ state, done }) => state === "working" && done < 200);
    if (begun) window.volunteer.pause();
    return begun;
  });
  // Only the jobs that the two cores have started are kept.
  const since = Date.now();
  await untilCounters(tracker, ({ held }) => held <= 2, 600 * shortLeaseS);
  assert.equal((await statusOf(page)).reason.code, "paused");
  // They are returned after the duration of a lease.
  await untilCounters(tracker, ({ held }) => held === 0, 2 * shortLeaseS * 1000);
  const kept = Date.now() - since;
  t.diagnostic(`returned after ${kept} ms`);
  assert.ok(kept >= 0.9 * shortLeaseS * 1000);
  const before = await tracker.counters();
  await page.evaluate(() => window.volunteer.resume());
  const { lost, failed, rejected } = await untilCounters(tracker, ({ done }) => done === 24);
  assert.deepEqual({ lost, failed, rejected }, { lost: 0, failed: 0, rejected: 0 });
  assert.ok(before.done < 24);
});

test("stop returns all jobs immediately", async (t) => {
  const list = [...jobs(6, { act: "busy", ms: 50 }), ...jobs(4, { act: "busy", ms: 60_000 })];
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await until(
    page,
    () => window.volunteer.status.cores.filter(({ done }) => done > 300).length === 2,
  );
  await page.evaluate(() => window.volunteer.stop());
  await until(page, () => window.volunteer.status.state === "stopped", undefined, 10_000);
  const { open, held, workers, done, lost } = await tracker.counters();
  assert.deepEqual(
    { open, held, workers, done, lost },
    { open: 4, held: 0, workers: 0, done: 6, lost: 0 },
  );
  assert.equal(await page.evaluate(() => window.workers.every(({ ended }) => ended)), true);
});

test("finish and stop completes the running jobs and returns the rest", async (t) => {
  const list = jobs(30, { act: "busy", ms: 1000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await untilCounters(tracker, ({ done, held }) => done >= 2 && held > 2);
  // Stops in the middle of a job; otherwise the job might be over before the stop takes effect.
  const before = (await notesOf(page, "begin")).length;
  const stopped = (before) =>
    window.notes.filter(({ note }) => note === "begin").length > before &&
    !void window.volunteer.stop({ finish: true });
  await until(page, stopped, before);
  await until(page, () => window.volunteer.status.state === "stopped");
  const { held, workers, done, open } = await tracker.counters();
  assert.deepEqual({ held, workers, all: done + open }, { held: 0, workers: 0, all: 30 });
  const begun = (await notesOf(page, "begin")).map(({ job }) => job);
  const finished = (await tracker.results()).map(({ number }) => number);
  const sorted = (list) => list.toSorted((a, b) => a - b);
  assert.deepEqual(sorted(finished), sorted(begun));
  assert.ok((await page.evaluate(() => window.reasons)).includes("finishing"));
});

test("forget leaves nothing in the browser, and no leases at the tracker", async (t) => {
  const list = jobs(2, { act: "steps", ms: 30_000 });
  const { tracker, proxy, site } = await startSetting(t, { jobs: list });
  const context = await (await openBrowser(t)).newContext();
  const page = await openTab(context, { site, url: proxy.url });
  await untilKept(page, (kept) => kept.filter(({ state }) => state).length === 2);
  await page.evaluate(() => window.volunteer.forget());
  assert.deepEqual(await page.evaluate(() => window.kept()), []);
  const { held, workers, open } = await tracker.counters();
  assert.deepEqual({ held, workers, open }, { held: 0, workers: 0, open: 2 });
  assert.equal((await statusOf(page)).state, "stopped");
  await nothingBegunTwice(page);
});
