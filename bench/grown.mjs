// `npm run bench -- grown`: the duration of calls and pages with a million registrations, nicknames, flags
// and avoided jobs in the database, compared with ten thousand.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { ensurePostgres } from "../scripts/postgres.mjs";
import { must, serve } from "../scripts/process.mjs";
import { listeningOn } from "../scripts/start.mjs";
import { readArguments as read } from "./arguments.mjs";
import { grouped, median } from "./figures.mjs";
import { publish } from "./grown-report.mjs";
import { ask, connections, jsonOf } from "./hostile/http.mjs";
import { ensureSqlite } from "./hostile/setting.mjs";
import { machineFacts } from "./machine.mjs";
import { postgresStore, sqliteStore } from "./stores.mjs";

const every = { stores: ["sqlite", "postgres"] };

export const usage = `npm run bench -- grown [options]

  --stores LIST    ${every.stores}
  --few N          rows of each kind in one database (10000)
  --many N         and in the other (1000000)
  --calls N        of each kind to each of them, in turn (200)
  --quick          100,000 rows, 50 calls

A run of everything takes about ten minutes and writes bench/results/; any other writes target/bench/.`;

/** @param {string[]} args */
export function readArguments(args) {
  const lists = { stores: { all: every.stores } };
  const numbers = { few: 10_000, many: 1_000_000, calls: 200 };
  const quick = { many: 100_000, calls: 50 };
  return read(args, { usage, lists, numbers, quick, harmless: ["calls"] });
}

/** The number of calls before the measurement. */
const warmUp = 10;

/** The number of jobs that each sync takes and submits. */
const batch = 4;

/**
 * Each function makes one call of a volunteer or a page. `count` is the number of the call.
 *
 * @typedef {{ call: (path: string, body?: object) => Promise<any>, rows: number, worker: any }} Cx
 * @type {Record<string, (cx: Cx, count: number) => Promise<any>>}
 */
const calls = {
  "`sync`: 4 results, 4 jobs": async ({ call, worker }) => {
    const { token, done } = worker;
    const seq = (worker.seq += 1);
    const body = { token, seq, done, want: batch, cores: batch };
    const { accepted, jobs } = await call("/api/sync", body);
    if (accepted.length !== done.length || jobs.length !== batch)
      throw new Failure(`${accepted.length} accepted, ${jobs.length} granted`);
    worker.done = jobs.map(({ lease }) => ({ lease, data: "result" }));
  },
  "`newJob` and `completeJob`": async ({ call, worker }) => {
    const token = worker.other;
    await call("/api/newJob", { token });
    await call("/api/completeJob", { token, data: "result" });
  },
  "`new` and `bye`": async ({ call }, count) => {
    const { token } = await call(`/api/new?stage=a&nickname=guest-${count}`);
    await call("/api/bye", { token });
  },
  "`/api/status`": ({ call }) => call("/api/status"),
  "dashboard, workers far down": ({ call, rows }, count) =>
    call(`/?a=from-${rows - spread(count, rows)}`),
  "leaderboard, first page": ({ call }) => call("/leaderboard"),
  "leaderboard, far down": ({ call, rows }, count) =>
    call(`/leaderboard?page=from-1.name-${spread(count, rows)}`),
  "leaderboard, a search": ({ call, rows }, count) =>
    call(`/leaderboard?name=name-${spread(count, rows)}`),
  "a worker's page": ({ call, rows }, count) => call(`/worker/cpu/worker-${spread(count, rows)}`),
  "a job's page": ({ call, rows }, count) => call(`/job/${spread(count, rows)}`),
};

/** Distributes numbers over 1 to `rows`, so that consecutive ones are far apart. */
const spread = (count, rows) => 1 + ((count * 7_919) % rows);

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const bin = wanted.stores.includes("postgres") ? await ensurePostgres() : undefined;
  if (wanted.stores.includes("sqlite")) await ensureSqlite();
  const { "distcompute-tracker": program } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const stores = [];
  const figures = [];
  try {
    if (wanted.stores.includes("sqlite")) stores.push(await sqliteStore(folder));
    if (bin) stores.push(await postgresStore(bin));
    const facts = await machineFacts({ folder, postgres: bin });
    for (const store of stores) {
      for (const figure of await measure({ ...wanted, program, store, folder })) {
        figures.push(figure);
        logFigure(figure);
      }
    }
    publish({ figures, facts, how: howText(wanted), everything: wanted.everything });
  } finally {
    for (const store of stores) await store.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Serves both databases of a store at the same time, and calls them alternately. */
async function measure({ few, many, calls: count, program, store, folder }) {
  const sides = [];
  try {
    for (const rows of [few, many]) {
      sides.push(await side({ rows, program, store, folder }));
      const { call, worker } = sides.at(-1).cx;
      const register = async (name) => (await call(`/api/new?stage=a&nickname=${name}`)).token;
      Object.assign(worker, { token: await register("first"), other: await register("other") });
    }
    const figures = [];
    for (const [what, work] of Object.entries(calls)) {
      const times = sides.map(() => []);
      for (let at = -warmUp; at < count; at++) {
        for (const [which, { cx }] of sides.entries()) {
          const began = performance.now();
          await work(cx, at + warmUp);
          if (at >= 0) times[which].push(performance.now() - began);
        }
      }
      const [few_ms, many_ms] = times.map(median);
      figures.push({ store: store.name, what, few_ms, many_ms, ratio: many_ms / few_ms });
    }
    return figures;
  } finally {
    for (const { tracker } of sides) await tracker.stop();
  }
}

/** Starts a tracker with a database of `rows` rows. */
async function side({ rows, program, store, folder }) {
  const database = await filled({ rows, program, store, folder });
  const listen = ["--listen", "127.0.0.1:0", "--log", "warn", "--stage", "a=CPU"];
  const tracker = await serve(program, ["serve", ...listen, "--database", database], {
    ready: listeningOn,
  });
  const agent = connections(1);
  const call = async (path, body) => {
    const answer = await ask({ url: tracker.found, path, agent, body });
    if (answer.status !== 200)
      throw new Failure(`${path} is answered ${answer.status}: ${answer.body}`);
    return jsonOf(answer);
  };
  return { tracker, cx: { call, rows, worker: { seq: 0, done: [] } } };
}

/** Creates a database with `rows` rows of each kind, and resolves to its URL. */
async function filled({ rows, program, store, folder }) {
  const database = await store.template(rows);
  const file = join(folder, "jobs.txt");
  const line = (_, at) => `https://data.example.org/shards/${at + 1}.tar\n`;
  writeFileSync(file, Array.from({ length: rows }, line).join(""));
  await must(program, ["import", "--database", database, "--txt", file]);
  // The counter from which the next registration gets its number.
  const counted = {
    sqlite: `update totals set last_worker = ${rows}`,
    postgres: `select setval('worker_ids', ${rows})`,
  };
  for (const sql of [...statements(rows, Date.now()), counted[store.name]]) {
    if (store.name === "postgres") await store.sql(sql, `jobs_${rows}`);
    else await must(await ensureSqlite(), [database.replace(/^sqlite:/, ""), sql]);
  }
  await store.settle(rows);
  return database;
}

/** The statements that fill the tables, in the SQL of both stores. */
function statements(rows, now) {
  const series = `with recursive s(n) as (select 1 union all select n + 1 from s where n < ${rows})`;
  const insert = (table, values) => `${series} insert into ${table} select ${values} from s`;
  const seen = now - 1_000;
  return [
    insert(
      "workers (id, token, display_name, nickname, stage, first_seen, last_seen, seq, address, cores)",
      `n, 'token ' || n, 'worker-' || n, 'name-' || n, 0, ${seen}, ${seen}, 1, '203.0.113.1', 4`,
    ),
    insert("leaderboard (nickname, completed, look)", "'name-' || n, 1, 'name-' || n"),
    insert(
      "volunteers (stage, volunteer, worked_at, asked_at)",
      `0, 'n:name-' || n, ${seen}, ${seen}`,
    ),
    insert("flags (number, stage, volunteer, flagged_at)", `n, 0, 'n:name-' || n, ${seen}`),
    insert("avoided (number, volunteer, failed, at)", `n, 'n:name-' || n, 0, ${seen}`),
    // Otherwise the tracker would not look for avoided jobs at all.
    "update jobs set attempt = 1, flagged = 1",
    `update stage_counters set workers = ${rows} where stage = 0`,
  ];
}

function logFigure({ store, what, few_ms, many_ms, ratio }) {
  const times = `${few_ms.toFixed(2)} and ${many_ms.toFixed(2)} ms`;
  console.log(`${store}, ${what}: ${times}, × ${ratio.toFixed(2)}`);
}

function howText({ few, many, calls: count }) {
  return [
    `Two databases of each store, one with ${grouped(few)} and one with ${grouped(many)} of each of ` +
      "these: jobs, registrations, nicknames with a result, volunteers that worked a second ago, flags, " +
      "and jobs that somebody is not offered again.",
    `Both are served at once, each by a tracker of its own, and called in turn, ${count} times by each ` +
      "call; medians. One connection, and nobody else.",
  ];
}
