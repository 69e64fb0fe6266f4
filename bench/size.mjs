// `npm run bench -- size`: whether a tracker with ten million jobs is as fast as one with a million, how much memory
// connections take, and how much processor time further trackers cost on one PostgreSQL.

import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildPrograms, buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { ensurePostgres } from "../scripts/postgres.mjs";
import { must, serve } from "../scripts/process.mjs";
import { listeningOn } from "../scripts/start.mjs";
import { readArguments as read } from "./arguments.mjs";
import { grouped, median } from "./figures.mjs";
import { ensureSqlite } from "./hostile/setting.mjs";
import { machineFacts, openFiles, peakMb, processesBelow, processorSeconds } from "./machine.mjs";
import { publish } from "./size-report.mjs";
import { postgresStore, sqliteStore } from "./stores.mjs";

const every = {
  stores: ["sqlite", "postgres"],
  parts: ["size", "connections", "trackers"],
  trackers: ["1", "2", "4"],
};

export const usage = `npm run bench -- size [options]

  --stores LIST    ${every.stores}
  --parts LIST     ${every.parts}
  --trackers LIST  how many share a PostgreSQL: ${every.trackers}
  --few N          jobs in one database (1000000)
  --many N         and in the other (10000000)
  --volunteers N   registrations in each of them (100000)
  --open N         connections that are open at once (16000)
  --rounds N       how often each is measured; medians count (5)
  --seconds N      of claims in each round (6)
  --quick          one round of 2 s with 20,000 and 200,000 jobs, and 1,000 connections

A run of everything takes about half an hour and ten gigabytes of disk; it writes bench/results/. Any other
writes target/bench/.`;

/** @param {string[]} args */
export function readArguments(args) {
  const lists = {
    stores: { all: every.stores },
    parts: { all: every.parts },
    trackers: { all: every.trackers },
  };
  const numbers = { few: 1_000_000, many: 10_000_000, volunteers: 100_000, open: 16_000 };
  const times = { rounds: 5, seconds: 6 };
  const quick = { few: 20_000, many: 200_000, open: 1_000, rounds: 1, seconds: 2 };
  const wanted = read(args, { usage, lists, numbers: { ...numbers, ...times }, quick });
  return { ...wanted, trackers: wanted.trackers.map(Number) };
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const bin = wanted.stores.includes("postgres") ? await ensurePostgres() : undefined;
  if (wanted.stores.includes("sqlite")) await ensureSqlite();
  const { "distcompute-load": load } = await buildPrograms({
    what: "the load generator",
    args: ["--profile", "serve", "-p", "distcompute-load", "--bins"],
    about: "1 minute the first time",
  });
  const { "distcompute-tracker": tracker } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const found = { figures: [], connections: [], trackers: [] };
  try {
    const facts = await machineFacts({ folder, postgres: bin });
    for (const name of wanted.stores) {
      const store = name === "sqlite" ? await sqliteStore(folder) : await postgresStore(bin);
      try {
        await measure({ wanted, store, folder, programs: { load, tracker } }, found);
      } finally {
        await store.stop();
      }
    }
    publish({ ...found, facts, how: howText(wanted), everything: wanted.everything });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(cx, found) {
  const { parts, few, many, trackers } = cx.wanted;
  const databases = new Map();
  for (const jobs of parts.includes("size") ? [few, many] : [few])
    databases.set(jobs, await filled(cx, jobs));
  if (parts.includes("trackers") && cx.store.name === "postgres") {
    for (const round of await inTurns(cx, trackers, (count) => ofTrackers(cx, count)))
      found.trackers.push(round);
  }
  if (parts.includes("size")) found.figures.push(...(await ofSizes(cx, databases)));
  if (parts.includes("connections"))
    found.connections.push(await ofConnections(cx, [...databases.values()].at(-1)));
}

/** Measures each of `kinds` in each round, in turn. */
async function inTurns({ wanted }, kinds, work) {
  const rounds = [];
  for (let round = 0; round < wanted.rounds; round++)
    for (const kind of kinds) rounds.push(await work(kind));
  return rounds;
}

/** Creates a database with this many open jobs, and with volunteers that were here before. */
async function filled({ wanted, store, folder, programs }, jobs) {
  const database = await store.template(jobs);
  const file = join(folder, "jobs.txt");
  const lines = await open(file, "w");
  for (let from = 0; from < jobs; from += 100_000) {
    const count = Math.min(100_000, jobs - from);
    const line = (_, index) => `https://data.example.org/shards/${from + index + 1}.tar\n`;
    await lines.write(Array.from({ length: count }, line).join(""));
  }
  await lines.close();
  const since = performance.now();
  await must(programs.tracker, ["import", "--database", database, "--txt", file]);
  const perS = grouped(Math.round((1_000 * jobs) / (performance.now() - since)));
  console.log(`${store.name}: ${grouped(jobs)} jobs are imported, ${perS} a second`);
  rmSync(file);
  for (const sql of registrations(wanted.volunteers, store.name)) {
    if (store.name === "postgres") await store.sql(sql, `jobs_${jobs}`);
    else await must(await ensureSqlite(), [database.replace(/^sqlite:/, ""), sql]);
  }
  await store.settle(jobs);
  return database;
}

/** The statements that register volunteers, in the SQL of a store. */
function registrations(count, store) {
  const series = `with recursive s(n) as (select 1 union all select n + 1 from s where n < ${count})`;
  const now = Date.now();
  const columns =
    "id, token, display_name, nickname, stage, first_seen, last_seen, seq, address, cores";
  const values = `n, 'token ' || n, 'worker-' || n, 'name-' || n, 0, ${now}, ${now}, 1, '203.0.113.1', 4`;
  return [
    `${series} insert into workers (${columns}) select ${values} from s`,
    `${series} insert into leaderboard (nickname, completed, look) select 'name-' || n, 1, 'name-' || n from s`,
    `update stage_counters set workers = ${count} where stage = 0`,
    // The counter from which the next registration gets its number.
    store === "postgres"
      ? `select setval('worker_ids', ${count})`
      : `update totals set last_worker = ${count}`,
  ];
}

/** Serves a database while `work` uses it. */
async function served({ programs }, database, work) {
  const args = ["serve", "--listen", "127.0.0.1:0", "--database", database, "--log", "warn"];
  const options = { ready: listeningOn, onLine: (line) => console.error(line) };
  const tracker = await serve(programs.tracker, [...args, "--stage", "a=CPU"], options);
  try {
    return await work({ url: tracker.found, pid: tracker.pid });
  } finally {
    await tracker.stop();
  }
}

/** Runs the load generator against these trackers, and resolves to its figures. */
async function driven({ programs }, urls, flags) {
  const args = [...urls.flatMap((url) => ["--url", url]), "--calls", "sync", ...flags];
  const { stdout } = await must(programs.load, args.map(String), { blame: "stderr" });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

const connections = 32;

/** How often the dashboard is opened in a round. */
const views = 30;

/** Measures both sizes in turn, round by round. */
async function ofSizes(cx, databases) {
  const rates = new Map();
  await inTurns(cx, [...databases], async ([jobs, database]) => {
    for (const [what, rate] of Object.entries(await ofSize(cx, database))) {
      const of = rates.get(what) ?? new Map();
      rates.set(what, of.set(jobs, [...(of.get(jobs) ?? []), rate]));
      console.log(`${cx.store.name}, ${grouped(jobs)} jobs, ${what}: ${grouped(Math.round(rate))}`);
    }
  });
  return [...rates].map(([what, of]) => {
    const [few_per_s, many_per_s] = [...of.values()].map(median);
    return { store: cx.store.name, what, few_per_s, many_per_s, ratio: many_per_s / few_per_s };
  });
}

/** One round: claims and results, then the dashboard, then the results are exported and pruned. Rates a second. */
async function ofSize(cx, database) {
  const { wanted, programs } = cx;
  const claims = await served(cx, database, async ({ url }) => {
    const flags = ["--connections", connections, "--warmup-s", 1, "--seconds", wanted.seconds];
    const { jobs_per_s } = await driven(cx, [url], flags);
    const took = [];
    for (let view = 0; view < views; view++) {
      const began = performance.now();
      const answer = await fetch(url);
      if (!answer.ok) throw new Failure(`The dashboard answers ${answer.status}.`);
      await answer.text();
      took.push(performance.now() - began);
    }
    return { jobs_per_s, dashboard_per_s: 1_000 / median(took) };
  });
  const at = ["--database", database, "--stage", "a"];
  const [exporting, exported] = await timed(() => {
    return must(programs.tracker, ["export", ...at, "--output", join(cx.folder, "results.jsonl")]);
  });
  const said = /exported (\d+) results.*--before (\d+)/s.exec(exported.stderr + exported.stdout);
  if (!said) throw new Failure("The export does not say what it has exported.");
  const [count, before] = said.slice(1);
  const [pruning] = await timed(() => must(programs.tracker, ["prune", ...at, "--before", before]));
  return {
    "jobs handed out and taken back": claims.jobs_per_s,
    "views of the dashboard": claims.dashboard_per_s,
    "results exported": Number(count) / exporting,
    "jobs pruned": Number(count) / pruning,
  };
}

async function timed(work) {
  const began = performance.now();
  const done = await work();
  return [(performance.now() - began) / 1_000, done];
}

/** Open files that a program needs besides its connections. */
const spareFiles = 200;

/** How often each connection makes a call. */
const everyS = 10;

/** Measures what connections take that are open at once. */
async function ofConnections(cx, database) {
  const { open: count } = cx.wanted;
  if (openFiles() < count + spareFiles) {
    throw new Failure(`${count} connections cannot be open at once.`, {
      why: `A process may have ${openFiles()} files open, and each connection is one.`,
      remedy: `ulimit -n ${count + spareFiles}, or fewer by --open`,
    });
  }
  return await served(cx, database, async ({ url, pid }) => {
    await (await fetch(`${url}/api/status`)).text();
    const before = peakMb(pid) ?? NaN;
    const flags = ["--connections", count, "--every-s", everyS, "--batch", 1];
    const times = ["--warmup-s", everyS, "--seconds", 2 * everyS];
    const { jobs_per_s, p50_ms, p99_ms } = await driven(cx, [url], [...flags, ...times]);
    const rss_mb = peakMb(pid) ?? NaN;
    const kb_each = (1_024 * (rss_mb - before)) / count;
    console.log(`${cx.store.name}, ${grouped(count)} connections: ${rss_mb} MB, p99 ${p99_ms} ms`);
    return {
      store: cx.store.name,
      connections: count,
      jobs_per_s,
      p50_ms,
      p99_ms,
      rss_mb,
      kb_each,
    };
  });
}

/** Measures how much processor time jobs cost with this many trackers. */
async function ofTrackers(cx, count) {
  const { wanted, store } = cx;
  const database = await store.copy(wanted.few);
  const together = async (trackers) => {
    if (trackers.length < count)
      return await served(cx, database, (one) => together([...trackers, one]));
    const spent = () => ({
      trackers: sum(trackers.map(({ pid }) => processorSeconds(pid))),
      database: sum(postgresProcesses().map(({ pid }) => processorSeconds(pid) ?? 0)),
      jobs: undefined,
    });
    const jobsDone = async () => {
      const { stages } = await (await fetch(`${trackers[0].url}/api/status`)).json();
      return stages[0].done;
    };
    const before = { ...spent(), jobs: await jobsDone() };
    const flags = ["--connections", connections, "--warmup-s", 1, "--seconds", wanted.seconds];
    const { jobs_per_s } = await driven(
      cx,
      trackers.map(({ url }) => url),
      flags,
    );
    const after = { ...spent(), jobs: await jobsDone() };
    const each = (name) => (1_000 * (after[name] - before[name])) / (after.jobs - before.jobs);
    const cost = { trackers_s: each("trackers"), database_s: each("database") };
    const said = `${cost.trackers_s.toFixed(3)} s and ${cost.database_s.toFixed(3)} s`;
    console.log(`${count} trackers: ${grouped(Math.round(jobs_per_s))} jobs/s, ${said} for 1,000`);
    return { trackers: count, jobs_per_s, ...cost };
  };
  return await together([]);
}

const postgresProcesses = () =>
  processesBelow(process.pid).filter(({ command }) => /^postgres:|\/postgres /.test(command));

const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

function howText({ few, many, volunteers, open: count, rounds, seconds }) {
  return [
    `Two databases of each store, with ${grouped(few)} and with ${grouped(many)} open jobs, and ` +
      `${grouped(volunteers)} registrations in each. In each round (${rounds} of them) both are served in turn ` +
      `for ${connections} connections that hand 16 results in and take 16 jobs, ${seconds} s long; then ` +
      `the dashboard is opened ${views} times, and what came is exported and pruned. Medians of the rounds.`,
    `${grouped(count)} connections stay open, with a sync every ${everyS} s each, at the larger database.`,
    `Trackers share one PostgreSQL with ${grouped(few)} jobs. Processor time is that of the trackers and of ` +
      "the database's processes, for 1,000 jobs that were handed out and taken back. All of it runs on one " +
      "machine, beside the load generator.",
  ];
}
