// `npm run bench -- tracker`: the throughput of the tracker on each store, driven over HTTP by another
// process, compared with claiming random jobs in SQL.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildPrograms, buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { ensurePostgres } from "../scripts/postgres.mjs";
import { must, serve } from "../scripts/process.mjs";
import { listeningOn } from "../scripts/start.mjs";
import { readArguments as read } from "./arguments.mjs";
import { grouped } from "./figures.mjs";
import { machineFacts, openFiles, peakMb, processorSeconds } from "./machine.mjs";
import { randomClaim } from "./random-claim.mjs";
import { postgresStore, sqliteStore } from "./stores.mjs";
import { publish, summary } from "./tracker-report.mjs";

const every = {
  store: ["sqlite", "postgres"],
  jobs: ["10000", "100000", "1000000"],
  calls: ["import", "old", "sync", "floor", "volunteers", "random"],
};

export const usage = `npm run bench -- tracker [options]

  --store LIST     sqlite,postgres
  --jobs LIST      how many jobs there are (${every.jobs})
  --calls LIST     ${every.calls}
  --rounds N       how often each is measured; medians count (3)
  --seconds N      how long each measurement is at most (6)
  --quick          one round of 2 s with 10,000 jobs
  --volunteers N   how many there are in that part (10000)

A run of all stores, jobs and calls writes bench/results/; any other writes target/bench/.`;

const connections = 32;
const volunteersEveryS = 10;

/** Open files that a program needs besides its connections. */
const spareFiles = 200;

/** @param {string[]} args */
export function readArguments(args) {
  const { store, jobs, calls } = every;
  const lists = {
    store: { all: store },
    jobs: { all: jobs, takes: (word) => Number(word) > 0 },
    calls: { all: calls },
  };
  const numbers = { rounds: 3, seconds: 6, volunteers: 10_000 };
  const quick = { jobs: ["10000"], rounds: 1, seconds: 2 };
  const wanted = read(args, { usage, lists, numbers, quick });
  return { ...wanted, jobs: wanted.jobs.map(Number) };
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const bin = wanted.store.includes("postgres") ? await ensurePostgres() : undefined;
  // Built by separate calls, so that the tracker is the same as the one of `npm start`.
  const programs = { ...(await buildTracker()), ...(await buildLoad()), ...(await buildFloor()) };
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const stores = [];
  try {
    if (wanted.store.includes("sqlite")) stores.push(await sqliteStore(folder));
    if (bin) stores.push(await postgresStore(bin));
    const facts = await machineFacts({ folder, postgres: bin });
    const rounds = await measureAll({ wanted, programs, folder, stores });
    const { everything } = wanted;
    publish({ figures: summary(rounds), facts, how: howText(wanted), everything });
  } finally {
    for (const store of stores) await store.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function buildLoad() {
  return buildPrograms({
    what: "the load generator",
    args: ["--profile", "serve", "-p", "distcompute-load", "--bins"],
    about: "1 minute the first time",
  });
}

function buildFloor() {
  return buildPrograms({
    what: "the store without HTTP",
    args: ["--profile", "serve", "-p", "distcompute-floor", "--bins"],
    about: "1 minute the first time",
  });
}

async function measureAll({ wanted, programs, folder, stores }) {
  const rounds = [];
  const add = (figure) => (rounds.push(figure), logFigure(figure));
  const comparesOnly = wanted.calls.every((calls) => calls === "random");
  for (const jobs of comparesOnly ? [] : wanted.jobs) {
    for (const store of stores) {
      const figure = await fill(programs, store, linesFile(folder, jobs), jobs);
      if (wanted.calls.includes("import")) add(figure);
    }
  }
  for (let round = 0; round < wanted.rounds; round++) {
    for (const jobs of wanted.jobs) {
      for (const store of stores) {
        for (const calls of ["old", "sync"].filter((name) => wanted.calls.includes(name)))
          add(await throughput(programs, store, { ...wanted, jobs, calls }));
        if (wanted.calls.includes("floor")) add(await floor(programs, store, { ...wanted, jobs }));
        if (store.name === "postgres" && wanted.calls.includes("random") && round === 0) {
          const { jobs_per_s } = await randomClaim(store, { ...wanted, jobs, connections });
          add({ store: store.name, jobs, calls: "random claim", jobs_per_s });
        }
      }
    }
  }
  const most = Math.max(...wanted.jobs);
  for (const store of stores.filter(() => wanted.calls.includes("volunteers")))
    add(await volunteers(programs, store, { ...wanted, jobs: most }));
  return rounds;
}

function linesFile(folder, jobs) {
  const file = join(folder, "jobs.txt");
  const line = (_, index) => `https://data.example.org/shards/${index + 1}.tar\n`;
  writeFileSync(file, Array.from({ length: jobs }, line).join(""));
  return file;
}

/** Fills a template with the tracker's `import` command, which is measured too. */
async function fill({ "distcompute-tracker": program }, store, file, jobs) {
  const database = await store.template(jobs);
  let peak;
  let timer;
  const onStart = (pid) => {
    timer = setInterval(() => (peak = peakMb(pid) ?? peak), 20);
  };
  const since = performance.now();
  const args = ["import", "--database", database, "--txt", file];
  await must(program, args, { onStart }).finally(() => clearInterval(timer));
  const seconds = (performance.now() - since) / 1000;
  await store.settle(jobs);
  const none = { p50_ms: null, p99_ms: null };
  const jobs_per_s = jobs / seconds;
  return { store: store.name, jobs, calls: "import", jobs_per_s, ...none, rss_mb: peak };
}

/** The maximum share of the jobs that a run may complete, so that open jobs never run out. */
const share = 0.9;

async function throughput(programs, store, { jobs, calls, seconds }) {
  const flags = ["--connections", connections, "--calls", calls, "--seconds", seconds];
  const limit = ["--warmup-s", 1, "--at-most", Math.floor(jobs * share)];
  const figure = await drive(programs, await store.copy(jobs), [...flags, ...limit]);
  return { store: store.name, jobs, calls, ...figure };
}

/** The same syncs without HTTP, in groups of half of the connections: the others are on their way. */
async function floor({ "distcompute-floor": program }, store, { jobs, seconds }) {
  const flags = ["--database", await store.copy(jobs), "--group", connections / 2];
  const limit = ["--seconds", seconds, "--at-most", Math.floor(jobs * share)];
  const { stdout } = await must(program, [...flags, ...limit].map(String), { blame: "stderr" });
  const { jobs_per_s } = JSON.parse(stdout);
  const none = { p50_ms: null, p99_ms: null, rss_mb: null };
  return { store: store.name, jobs, calls: "floor", jobs_per_s, ...none };
}

async function volunteers(programs, store, { jobs, calls, volunteers: count }) {
  if (openFiles() < count + spareFiles) {
    throw new Failure(`${count} connections cannot be open at once.`, {
      why: `A process may have ${openFiles()} files open, and each connection is one.`,
      remedy: `ulimit -n ${count + spareFiles}`,
    });
  }
  const kind = calls.includes("sync") ? "sync" : "old";
  const flags = ["--connections", count, "--every-s", volunteersEveryS, "--calls", kind];
  const limit = ["--batch", 1, "--warmup-s", volunteersEveryS, "--seconds", 2 * volunteersEveryS];
  const figure = await drive(programs, await store.copy(jobs), [...flags, ...limit]);
  return { store: store.name, jobs, calls: "volunteers", ...figure };
}

/** Serves a database while the load generator runs, and measures the tracker's resources. */
async function drive(programs, database, flags) {
  const args = ["serve", "--listen", "127.0.0.1:0", "--database", database, "--log", "warn"];
  const tracker = await serve(programs["distcompute-tracker"], args, {
    ready: listeningOn,
    onLine: (line) => console.error(line),
  });
  try {
    const call = ["--url", tracker.found, ...flags].map(String);
    const { stdout } = await must(programs["distcompute-load"], call, { blame: "stderr" });
    const { jobs_per_s, p50_ms, p99_ms } = JSON.parse(stdout.trim().split("\n").at(-1));
    const cost = { rss_mb: peakMb(tracker.pid), cpu_s: processorSeconds(tracker.pid) };
    return { jobs_per_s, p50_ms, p99_ms, ...cost };
  } finally {
    await tracker.stop();
  }
}

function logFigure({ calls, store, jobs, jobs_per_s, p50_ms, p99_ms, rss_mb, cpu_s }) {
  const parts = [`${grouped(Number(jobs_per_s.toFixed(1)))} jobs/s`];
  if (p99_ms != null) parts.push(`p50 ${p50_ms.toFixed(1)} ms`, `p99 ${p99_ms.toFixed(1)} ms`);
  if (rss_mb != null) parts.push(`${rss_mb} MB`);
  if (cpu_s != null) parts.push(`${cpu_s.toFixed(1)} s of processor`);
  console.log(`${calls}, ${store}, ${grouped(jobs)} jobs: ${parts.join(", ")}`);
}

function howText({ rounds, seconds, volunteers: count }) {
  return [
    "The tracker and the load generator are two processes on one machine and share its cores; with " +
      "PostgreSQL, the database is on it too.",
    `${connections} keep-alive connections, each the next call as soon as the last is answered; 1 s ` +
      `of warm-up, then at most ${seconds} s or ${share * 100} % of the jobs; medians of ${rounds} ` +
      "rounds that take turns. Latencies are those of one HTTP call.",
    `Volunteers: ${grouped(count)} open connections, a turn every ${volunteersEveryS} s each, evenly ` +
      "spread, one job a turn.",
    "Memory is the most that the tracker's process ever had; the database server's is not in it.",
    "`random claim` is the claim query of the tracker that LAION used, without its web framework, " +
      "run by pgbench on the same PostgreSQL: see the README.",
  ];
}
