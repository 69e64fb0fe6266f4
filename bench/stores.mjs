// Databases with a given number of jobs. Each size is filled once and then copied for each run, so that
// every run starts with the same open jobs.

import { constants, copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { must } from "../scripts/process.mjs";
import { startPostgres } from "../scripts/postgres.mjs";

/**
 * @typedef {{ name: string, template: (jobs: number) => Promise<string>,
 *   settle: (jobs: number) => Promise<void>, copy: (jobs: number) => Promise<string>,
 *   stop: () => Promise<void> }} BenchStore `template` creates an empty database and resolves to its
 *   URL, `settle` is called after it has been filled, `copy` resolves to the URL of a new copy
 */

/** @returns {Promise<BenchStore>} */
export async function sqliteStore(folder) {
  const file = (name) => join(folder, `${name}.db`);
  const url = (name) => `sqlite:${file(name)}`;
  const remove = (name) => {
    for (const end of ["", "-wal", "-shm", "-lock"]) rmSync(file(name) + end, { force: true });
  };
  return {
    name: "sqlite",
    template: async (jobs) => (remove(jobs), url(jobs)),
    settle: async () => {},
    copy: async (jobs) => {
      remove("run");
      for (const end of ["", "-wal"].filter((end) => existsSync(file(jobs) + end)))
        copyFileSync(file(jobs) + end, file("run") + end, constants.COPYFILE_FICLONE);
      return url("run");
    },
    stop: async () => {},
  };
}

/** @returns {Promise<BenchStore & { bin: string, url: string, sql: Function }>} */
export async function postgresStore(bin) {
  const server = await startPostgres({ bin });
  const at = (name) => server.url.replace(/[^/]*$/, name);
  const sql = (text, database = "postgres") => {
    const flags = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", at(database)];
    return must(join(bin, "psql"), [...flags, "-c", text]);
  };
  const remade = async (name, from) => {
    await sql(`drop database if exists ${name} with (force)`);
    await sql(`create database ${name}${from ? ` template ${from}` : ""}`);
    return at(name);
  };
  return {
    name: "postgres",
    bin,
    url: server.url,
    sql,
    template: (jobs) => remade(`jobs_${jobs}`),
    // In production, autovacuum would have done this before volunteers arrive.
    settle: (jobs) => sql("vacuum analyze", `jobs_${jobs}`),
    copy: (jobs) => remade("run", `jobs_${jobs}`),
    stop: server.stop,
  };
}
