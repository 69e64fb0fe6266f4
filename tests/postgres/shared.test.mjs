// Two trackers that share a database: the volunteers of both complete the same jobs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startPostgres } from "../../scripts/postgres.mjs";
import { call, exported, importJobs, outputOf, register, startTracker } from "./trackers.mjs";

const jobs = 100_000;
const volunteers = 16;
const held = 64;

let postgres;
const trackers = [];
before(
  async () => {
    postgres = await startPostgres();
    await importJobs(postgres.url, jobs);
    for (let n = 0; n < 2; n++) trackers.push(await startTracker(postgres.url));
  },
  { timeout: 600_000 },
);
// Runs after a failed test too, because running trackers would keep the test runner waiting.
after(async () => {
  await Promise.all(trackers.map(({ stop }) => stop()));
  await postgres?.stop();
});

/** Syncs until there are no open jobs. Resolves to the number of accepted results. */
async function volunteer(urls, name) {
  const token = await register(urls[0], name);
  let seq = 0;
  let accepted = 0;
  let done = [];
  for (let turn = 0; ; turn++) {
    // The syncs alternate between the trackers, so neither can rely on its own memory.
    const body = { token, seq: ++seq, done, want: held };
    const answer = await call(urls[turn % urls.length], "/api/sync", body);
    assert.equal(answer.status, 200, answer.text);
    const said = JSON.parse(answer.text);
    assert.deepEqual(said.rejected, []);
    assert.equal(said.accepted.length, done.length);
    accepted += said.accepted.length;
    done = said.jobs.map(({ lease, data }) => ({ lease, data: outputOf(data) }));
    if (done.length === 0 && said.open === 0) return accepted;
  }
}

test(
  "two trackers share 100,000 jobs, each done once and none lost",
  { timeout: 240_000 },
  async () => {
    const urls = trackers.map(({ url }) => url);
    const names = Array.from({ length: volunteers }, (_, n) => `volunteer-${n}`);
    const each = await Promise.all(
      names.map((name, n) => volunteer(n % 2 ? [...urls].reverse() : urls, name)),
    );
    assert.equal(
      each.reduce((sum, count) => sum + count, 0),
      jobs,
    );
    const results = await exported(postgres.url, "a");
    assert.equal(results.length, jobs);
    assert.equal(new Set(results.map(({ number }) => number)).size, jobs);
    assert.ok(results.every(({ number, data }) => data === outputOf(`input ${number}`)));
  },
);
