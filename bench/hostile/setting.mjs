// The contents of the database before an attack: open jobs, large results, names on the leaderboard. They
// are created once per store by the tracker itself, except for the names, and copied for each run.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { aptInstall, aptRemedy, canInstall } from "../../scripts/debian.mjs";
import { Failure } from "../../scripts/failure.mjs";
import { which } from "../../scripts/places.mjs";
import { must, serve } from "../../scripts/process.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { ask, connections, jsonOf } from "./http.mjs";

/** The maximum number of results in one answer of `/api/results`. */
export const results = 10_000;

/** The number of large results, whose jobs are at stage b. */
export const largeResults = 128;
const largeBytes = 60_000;
const bytes = 800;

/** The maximum number of jobs that one registration may hold. */
const batch = 1_000;

export const serveArgs = [
  ...["serve", "--listen", "127.0.0.1:0", "--log", "warn"],
  ...["--stage", "a=CPU", "--stage", "b=GPU", "--public-results"],
];

/** Fills a store's template, whose name is the number of its jobs. */
export async function fill({ program, store, folder, jobs, names }) {
  const database = await store.template(jobs);
  const file = join(folder, "jobs.txt");
  const line = (_, at) => `https://data.example.org/shards/${at + 1}.tar\n`;
  writeFileSync(file, Array.from({ length: jobs }, line).join(""));
  await must(program, ["import", "--database", database, "--txt", file]);
  const args = [...serveArgs, "--database", database];
  const tracker = await serve(program, args, { ready: listeningOn });
  try {
    await finish(tracker.found);
  } finally {
    await tracker.stop();
  }
  await addNames({ store, database, jobs, names });
  await store.settle(jobs);
}

/** Completes the first jobs with one volunteer on this machine, which is exempt from the rate limits. */
async function finish(url) {
  const agent = connections(1);
  const call = async (path, body) => {
    const answer = await ask({ url, path, agent, body });
    const parsed = jsonOf(answer);
    if (!parsed) throw new Failure(`${path} is answered ${answer.status}: ${answer.body}`);
    return parsed;
  };
  const { token } = await call("/api/new?stage=a&nickname=first");
  let [seq, count, done] = [0, 0, []];
  while (count < results) {
    const want = Math.min(batch, results - count);
    const { accepted, jobs } = await call("/api/sync", {
      token,
      seq: ++seq,
      done,
      want,
      cores: 128,
    });
    count += accepted.length;
    done = jobs.slice(0, results - count).map(({ number, lease }) => {
      const size = number <= largeResults ? largeBytes : bytes;
      return { lease, data: "x".repeat(size) };
    });
    if (accepted.length + done.length === 0) throw new Failure("The tracker gives no jobs.");
  }
  agent.destroy();
}

const why =
  "A leaderboard of a million names is made in the database, not by a million volunteers.";

/** Adds `names` nicknames with one completed job each. */
async function addNames({ store, database, jobs, names }) {
  const columns = "insert into leaderboard (nickname, completed, look)";
  if (store.name === "postgres") {
    const rows = `select 'name-' || n, 1, 'name-' || n from generate_series(1, ${names}) n`;
    return store.sql(`${columns} ${rows}`, `jobs_${jobs}`);
  }
  const series = `with recursive s(n) as (select 1 union all select n + 1 from s where n < ${names})`;
  const rows = `${series} ${columns} select 'name-' || n, 1, 'name-' || n from s`;
  return must(await ensureSqlite(), [database.replace(/^sqlite:/, ""), rows]);
}

/** Makes sure of SQLite's command-line shell. */
export async function ensureSqlite() {
  if (!which("sqlite3") && canInstall()) await aptInstall(["sqlite3"], why);
  const found = which("sqlite3");
  if (found) return found;
  throw new Failure("sqlite3 was not found.", { why, remedy: aptRemedy(["sqlite3"]) });
}
