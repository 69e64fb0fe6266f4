// The alerting rules in docs/prometheus. A tracker is brought into each state, its scraped metrics become the
// input series for `promtool test rules`, and exactly the expected alerts must fire.

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { operatorEnv } from "../../scripts/operators.mjs";
import { root } from "../../scripts/places.mjs";
import { must, run, serve } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";
import { listeningOn } from "../../scripts/start.mjs";

const folder = mkdtempSync(join(tmpdir(), "distcompute-alarms-"));
const rules = "distcompute.rules.yml";

before(() => copyFileSync(join(root, "docs", "prometheus", rules), join(folder, rules)));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a tracker with public metrics. `room` limits the size of its files, in KiB. */
async function startTracker({ jobs = 4, flags = [], room } = {}) {
  const own = mkdtempSync(join(folder, "tracker-"));
  const program = await testTracker();
  const database = `sqlite:${join(own, "jobs.db")}`;
  if (jobs > 0) await must(program, ["import", "--database", database, "--brace", `{1..${jobs}}`]);
  const args = [
    ...["serve", "--listen", "127.0.0.1:0", "--database", database, "--metrics", "public"],
    ...flags,
  ];
  const limited = `trap '' XFSZ; ulimit -f ${room}; exec "$0" "$@"`;
  const [command, given] = room ? ["bash", ["-c", limited, program, ...args]] : [program, args];
  const server = await serve(command, given, { ready: listeningOn });
  const call = async (path, body) => {
    const answer = await fetch(server.found + path, {
      method: body ? "POST" : "GET",
      headers: { "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    return { status: answer.status, text, json: () => JSON.parse(text) };
  };
  const join_ = async (nickname) =>
    (await call(`/api/new?nickname=${nickname}&stage=a`)).json().token;
  const sync = async (token, seq, more) =>
    (await call("/api/sync", { token, seq, ...more })).json();
  const scrape = async () => (await call("/metrics")).text;
  return { call, join: join_, sync, scrape, stop: server.stop, kill: server.kill };
}

/** Parses a scrape into `name{labels}` and values. */
function samples(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = line.match(/^(distcompute_\w+)(?:\{(.*)\})? (\S+)$/);
    if (!match) continue;
    const [, name, labels = "", value] = match;
    found.set(`${name}{job="distcompute"${labels ? `,${labels}` : ""}}`, value);
  }
  return found;
}

/**
 * The alerts that fire at the end, if the scrapes are `apart` minutes apart and the last state lasts for
 * `lasts` minutes. `undefined` stands for a failed scrape.
 *
 * @param {(string | undefined)[]} scrapes
 */
async function ringing(scrapes, { apart = 5, lasts = 60 } = {}) {
  const parsed = scrapes.map((text) => (text === undefined ? undefined : samples(text)));
  const names = new Set(parsed.flatMap((scrape) => [...(scrape?.keys() ?? [])]));
  const times = parsed.map((_, at) => (at === parsed.length - 1 ? lasts : apart));
  const values = (of) => parsed.flatMap((scrape, at) => Array(times[at]).fill(of(scrape)));
  const series = [...names].map((name) => ({
    series: name,
    values: values((scrape) => scrape?.get(name) ?? "_").join(" "),
  }));
  series.push({
    series: 'up{job="distcompute",instance="tracker"}',
    values: values((scrape) => (scrape ? 1 : 0)).join(" "),
  });
  const end = times.reduce((sum, time) => sum + time) - 1;
  const alarms = (await must("sh", ["-c", `grep -oE 'alert: \\w+' ${join(folder, rules)}`])).stdout;
  const all = alarms
    .trim()
    .split("\n")
    .map((line) => line.split(" ")[1]);
  // promtool prints the actual alerts if they differ from the expected ones, which are none here.
  const rung = [];
  for (const minute of new Set([parsed.length * apart - 1, end])) {
    for (const alarm of all) {
      const file = join(folder, "test.yml");
      writeFileSync(
        file,
        JSON.stringify({
          rule_files: [rules],
          evaluation_interval: "1m",
          tests: [
            {
              interval: "1m",
              input_series: series,
              alert_rule_test: [{ eval_time: `${minute}m`, alertname: alarm, exp_alerts: [] }],
            },
          ],
        }),
      );
      const options = { cwd: folder, env: operatorEnv() };
      const { code, output } = await run("promtool", ["test", "rules", "test.yml"], options);
      if (code === 0) continue;
      assert.match(output, /got:\s*\[/, output);
      rung.push(alarm);
    }
  }
  return [...new Set(rung)].sort();
}

test("the rules are valid", async () => {
  const options = { cwd: folder, env: operatorEnv() };
  await must("promtool", ["check", "rules", rules], options);
});

test("no alerts fire for a project that makes progress, or that is finished", async () => {
  const tracker = await startTracker({ jobs: 4, flags: ["--max-attempts", "1"] });
  const token = await tracker.join("Ann");
  const scrapes = [await tracker.scrape()];
  let seq = 0;
  for (let job = 0; job < 4; job++) {
    const { jobs } = await tracker.sync(token, ++seq, { want: 1 });
    assert.equal(jobs.length, 1);
    const done = [{ lease: jobs[0].lease, data: "x" }];
    assert.equal((await tracker.sync(token, ++seq, { done })).accepted.length, 1);
    scrapes.push(await tracker.scrape());
  }
  await tracker.stop();
  assert.match(scrapes.at(-1), /distcompute_jobs_closed 4/);
  // During the work each state lasts equally long.
  assert.deepEqual(await ringing(scrapes.slice(0, -1), { lasts: 5 }), []);
  assert.deepEqual(await ringing(scrapes, { lasts: 24 * 60 }), []);
});

test("alerts fire for a tracker that is down, and for one that was never scraped", async () => {
  const tracker = await startTracker();
  const scrape = await tracker.scrape();
  await tracker.kill();
  await assert.rejects(tracker.scrape());
  assert.deepEqual(await ringing([scrape, undefined]), ["DistcomputeTrackerDown"]);
});

test("an alert fires for volunteers without results, but not when volunteers have left", async () => {
  const tracker = await startTracker();
  const token = await tracker.join("Ann");
  await tracker.sync(token, 1, { want: 1 });
  const stuck = await tracker.scrape();
  await tracker.call("/api/bye", { token });
  const left = await tracker.scrape();
  await tracker.stop();
  assert.match(stuck, /distcompute_volunteers 1/);
  assert.match(left, /distcompute_volunteers 0/);
  assert.deepEqual(await ringing([stuck, stuck]), ["DistcomputeStandsStill"]);
  assert.deepEqual(await ringing([stuck, left]), []);
});

test("an alert fires when jobs are set aside, and ends later", async () => {
  const tracker = await startTracker({ jobs: 2, flags: ["--invalid-after", "1"] });
  const scrapes = [await tracker.scrape()];
  const token = await tracker.join("Ann");
  const { jobs } = await tracker.sync(token, 1, { want: 2 });
  const invalid = [{ lease: jobs[0].lease, reason: "nonsense" }];
  const done = [{ lease: jobs[1].lease, data: "x" }];
  await tracker.sync(token, 2, { invalid, done });
  await tracker.call("/api/bye", { token });
  scrapes.push(await tracker.scrape());
  await tracker.stop();
  assert.match(scrapes[1], /distcompute_jobs\{stage="a",state="aside"\} 1/);
  assert.deepEqual(await ringing(scrapes, { lasts: 10 }), ["DistcomputeJobsSetAside"]);
  // An hour later the state has not changed, and the alert is over.
  assert.deepEqual(await ringing([scrapes[1], scrapes[1]]), []);
});

test("an alert fires for a full disk", async () => {
  const tracker = await startTracker({ jobs: 60, room: 1_500 });
  const token = await tracker.join("Ann");
  const scrapes = [await tracker.scrape()];
  const data = "x".repeat(200_000);
  for (let status = 200; status === 200;) {
    const job = await tracker.call("/api/newJob", { token });
    status = job.status;
    if (status !== 200) break;
    const { number } = job.json();
    status = (await tracker.call("/api/completeJob", { token, number, data })).status;
  }
  scrapes.push(await tracker.scrape());
  await tracker.kill();
  assert.match(scrapes[1], /distcompute_database_writable 0/);
  assert.deepEqual(await ringing(scrapes, { lasts: 10 }), ["DistcomputeNotWritable"]);
});

test("alerts fire for a database that does not answer, and for a paused stage", async () => {
  // A tracker on SQLite cannot easily be brought into these states, so the metrics are written by hand.
  const away = "distcompute_database_up 0\ndistcompute_database_writable 0\n";
  assert.deepEqual(await ringing([away, away]), ["DistcomputeDatabaseAway"]);
  const paused =
    'distcompute_database_up 1\ndistcompute_database_writable 1\ndistcompute_stage_paused{stage="a"} 1\n';
  assert.deepEqual(await ringing([paused, paused]), ["DistcomputeStagePaused"]);
});
