// The baseline: the query with which LAION's tracker claims a random job, run by pgbench as plain SQL. This
// is an upper bound for that tracker, because it leaves out its web framework.

import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { must } from "../scripts/process.mjs";

const script = fileURLToPath(new URL("random-claim.sql", import.meta.url));

/** From this number of jobs on, a single claim is so slow that the run is limited to one per client. */
const many = 300_000;

/**
 * @param {Awaited<ReturnType<import("./stores.mjs").postgresStore>>} store
 * @param {{ jobs: number, seconds: number, connections: number }} wanted
 * @returns {Promise<{ jobs_per_s: number }>}
 */
export async function randomClaim({ bin, url, sql }, { jobs, seconds, connections }) {
  await sql("drop table if exists random_jobs");
  await sql(`create table random_jobs (number integer primary key, stage integer not null,
    pending boolean not null, closed boolean not null, worker integer, data text not null)`);
  await sql(`insert into random_jobs select number, 0, false, false, null, 'shard_' || number
    from generate_series(1, ${jobs}) number`);
  await sql("vacuum analyze random_jobs");
  // pgbench checks its time limit only between transactions.
  const length = jobs >= many ? ["-t", "1"] : ["-T", String(Math.ceil(seconds))];
  const flags = ["-n", "-c", String(connections), "-j", "1", "-f", script, ...length];
  const { output } = await must(join(bin, "pgbench"), [...flags, url]);
  await sql("drop table random_jobs");
  return { jobs_per_s: readTps(output) };
}

/** Parses pgbench's transactions per second; each transaction is one job. */
export function readTps(output) {
  const tps = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (tps === undefined) throw new Error(`pgbench did not report its rate:\n${output}`);
  return Number(tps);
}
