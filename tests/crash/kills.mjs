// Kills a tracker repeatedly while many volunteers are working, and compares the answers that they got with
// the results that the tracker has afterwards. Works with every store.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { must, run, serve } from "../../scripts/process.mjs";
import { testPrograms } from "../../scripts/servers.mjs";
import { listeningOn } from "../../scripts/start.mjs";

const stages = ["a", "b"];

/** The timeout for a result, although the tracker is only down for moments. */
const patienceS = 30;

/** The maximum of the random delay before a kill, so that kills happen at arbitrary points. */
const latestMs = 20;

/**
 * @param {import("node:test").TestContext} t
 * @param {{ database: (folder: string) => string, calls: string, jobs: number, kills: number }}
 *   wanted
 */
export async function surviveKills(t, { database, calls, jobs, kills }) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-crash-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const random = seeded(t);
  const source = await filled(database(folder), jobsFile(folder, jobs));
  const tracker = await killable(t, source);
  const total = jobs * stages.length;
  const record = join(folder, "taken.jsonl");

  let taken = 0;
  const work = { url: tracker.url, calls, total, record };
  const load = startLoad(work, (now) => (taken = now));
  let loading = true;
  load.finally(() => (loading = false)).catch(() => {});
  for (let killed = 0; killed < kills; killed++) {
    // Spreads the kills over the whole run, and waits for a result after each restart.
    const mark = Math.max(((killed + random()) / (kills + 1)) * total, taken + 1);
    while (loading && taken < mark) await sleep(2);
    if (!loading) assert.fail(`ended after ${killed} of ${kills} kills: ${(await load).stderr}`);
    await sleep(random() * latestMs);
    await tracker.killAndRestart();
  }

  const { code, stderr } = await load;
  assert.equal(code, 0, stderr);
  await assertCounted(tracker.url, jobs);
  for (const stage of stages)
    assertSame(stage, acknowledgedResults(record, stage), await source.results(stage));
}

/** A seeded random number generator, so that a run can be repeated. */
function seeded(t) {
  const seed = Number(process.env.DISTCOMPUTE_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`DISTCOMPUTE_SEED=${seed}`);
  let state = seed;
  // A linear congruential generator whose products stay below 2^53.
  return () => (state = (state * 48_271 + 11) % 2_147_483_647) / 2_147_483_647;
}

function jobsFile(folder, jobs) {
  const file = join(folder, "jobs.txt");
  writeFileSync(file, Array.from({ length: jobs }, (_, index) => `shard_${index + 1}\n`).join(""));
  return file;
}

/** Fills a database with jobs. Returns a function that exports its results. */
async function filled(database, file) {
  const { "distcompute-tracker": program } = await testPrograms();
  await must(program, ["import", "--database", database, "--reset", "--yes", "--txt", file]);
  return {
    database,
    async results(stage) {
      const { stdout } = await must(program, ["export", "--database", database, "--stage", stage]);
      return lines(stdout).map(({ number, data }) => [number, JSON.stringify(data)]);
    },
  };
}

/** Starts a tracker that can be killed and restarted at the same address. */
async function killable(t, { database }) {
  const { "distcompute-tracker": program } = await testPrograms();
  const names = stages.flatMap((stage) => ["--stage", `${stage}=Stage ${stage}`]);
  const begin = (listen) => {
    const args = ["serve", "--listen", listen, "--database", database, "--log", "warn", ...names];
    return serve(program, args, { ready: listeningOn });
  };
  let running = await begin("127.0.0.1:0");
  t.after(() => running.stop());
  const url = running.found;
  return {
    url,
    async killAndRestart() {
      await running.kill();
      running = await begin(new URL(url).host);
    },
  };
}

/**
 * Starts volunteers that retry unanswered calls until all results are accepted.
 *
 * @param {{ url: string, calls: string, total: number, record: string }} work
 * @param {(taken: number) => void} onTaken
 */
async function startLoad({ url, calls, total, record }, onTaken) {
  const { "distcompute-load": program } = await testPrograms();
  const args = [
    ...["--url", url, "--connections", "32", "--calls", calls, "--stage", stages.join(",")],
    ...["--drain", String(total), "--patience-s", String(patienceS), "--record", record],
  ];
  const onLine = (line, from) => {
    const count = from === "stdout" ? JSON.parse(line).taken : undefined;
    if (count !== undefined) onTaken(count);
  };
  return await run(program, args, { onLine });
}

/** The results whose acceptance was acknowledged to volunteers, as pairs of job number and output. */
function acknowledgedResults(record, stage) {
  const mark = "<!json!>";
  return lines(readFileSync(record, "utf8"))
    .filter((line) => line.stage === stage)
    .map(({ number, data }) => {
      assert.ok(data.startsWith(mark), data);
      return [number, data.slice(mark.length)];
    });
}

function lines(text) {
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** Asserts by the tracker's counters that each job was done exactly once at each stage. */
async function assertCounted(url, jobs) {
  const status = await (await fetch(`${url}/api/status`)).json();
  const { jobs: known, closed, stages: counted } = status;
  const done = counted.map(({ open, held, done, set_aside }) => [open, held, done, set_aside]);
  const expected = stages.map(() => [0, 0, jobs, 0]);
  assert.deepEqual([known, closed, done], [jobs, jobs, expected]);
  const page = await (await fetch(`${url}/leaderboard`)).text();
  const credit = /data-key="load".*?([\d,. \u00a0\u202f]+)<\/td><\/tr>/s.exec(page)?.[1];
  assert.equal(Number(credit?.replaceAll(/\D/g, "")), jobs * stages.length, "the leaderboard");
}

/** Asserts that both lists have the same outputs for the same jobs, without duplicates. */
function assertSame(stage, fromVolunteers, fromTracker) {
  const [acknowledged, kept] = [new Map(fromVolunteers), new Map(fromTracker)];
  assert.equal(
    acknowledged.size,
    fromVolunteers.length,
    `stage ${stage}: a job was accepted twice`,
  );
  assert.equal(kept.size, fromTracker.length, `stage ${stage}: a job was exported twice`);
  const wrong = [...acknowledged].filter(([number, data]) => kept.get(number) !== data);
  assert.deepEqual(wrong.slice(0, 3), [], `stage ${stage}: ${wrong.length} results are not there`);
  assert.equal(kept.size, acknowledged.size, `stage ${stage}: results that were not acknowledged`);
}
