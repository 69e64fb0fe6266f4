// The database of a running tracker is stopped and restarted.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startPostgres } from "../../scripts/postgres.mjs";
import { call, exported, importJobs, outputOf, register, startTracker } from "./trackers.mjs";

let postgres;
let tracker;
before(
  async () => {
    postgres = await startPostgres();
    await importJobs(postgres.url, 200);
    tracker = await startTracker(postgres.url);
  },
  { timeout: 600_000 },
);
after(async () => {
  await tracker?.stop();
  await postgres?.stop();
});

/** Asserts that this is the answer of a tracker that cannot reach its database. */
function assertUnavailable({ status, headers, text }) {
  assert.equal(status, 503, text);
  assert.equal(headers["distcompute-error"], "unavailable");
  assert.ok(Number(headers["retry-after"]) > 0);
}

test("without its database a tracker answers Retry-After, and recovers when it is back", async () => {
  const token = await register(tracker.url, "Ann");
  const claimed = await call(tracker.url, "/api/newJob", { token });
  const { data, number } = JSON.parse(claimed.text);
  await postgres.halt();
  const body = { token, number, data: outputOf(data) };
  assertUnavailable(await call(tracker.url, "/api/completeJob", body));
  assertUnavailable(await call(tracker.url, "/api/jobCount?stage=a"));
  assertUnavailable(await call(tracker.url, "/api/new?nickname=Bob&stage=a"));
  await postgres.resume();
  // The first call after the outage succeeds, without a restart of the tracker.
  const completed = await call(tracker.url, "/api/completeJob", body);
  assert.deepEqual([completed.status, completed.text], [200, "200 OK"]);
  const count = await call(tracker.url, "/api/jobCount?stage=a");
  assert.deepEqual([count.status, count.text], [200, "199"]);
});

test("results that were answered with 200 survive a crash of the database under load", async () => {
  const answered = new Map();
  let halting;
  const work = async (name) => {
    const token = await register(tracker.url, name);
    for (;;) {
      const claimed = await call(tracker.url, "/api/newJob", { token });
      if (claimed.status !== 200) return claimed;
      const { data, number } = JSON.parse(claimed.text);
      const body = { token, number, data: outputOf(data) };
      const completed = await call(tracker.url, "/api/completeJob", body);
      if (completed.status !== 200) return completed;
      answered.set(number, body.data);
      // The crash happens while other requests are in flight.
      if (answered.size === 40) halting = postgres.halt();
    }
  };
  const last = await Promise.all(["Cleo", "Dan", "Eve", "Fay"].map(work));
  last.forEach(assertUnavailable);
  await halting;
  await postgres.resume();
  const results = new Map(
    (await exported(postgres.url, "a")).map(({ number, data }) => [number, data]),
  );
  for (const [number, data] of answered) assert.equal(results.get(number), data);
  assert.ok(answered.size >= 40);
});
