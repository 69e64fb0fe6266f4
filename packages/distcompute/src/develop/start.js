// `distcompute start`: builds the project, imports its jobs, and runs its tracker.

import { existsSync } from "node:fs";

import { stop } from "esbuild";

import { Failure } from "../failure.js";
import { onSignals } from "../signals.js";
import { callTracker, isFree, startTracker } from "../tracker.js";
import { buildPage, wantsHelp } from "./build.js";
import { importedFiles } from "./imported.js";
import { buildKernel } from "./kernel.js";
import { files, jobFiles, readConfig, requireProject } from "./project.js";

const usage = `Usage: distcompute start

Builds the volunteer page of the project in this folder, imports the files of ${files.jobs}/ that were not
imported before, and runs the tracker with ${files.config} until Ctrl-C.`;

/** @param {string[]} args */
export async function start(args) {
  if (wantsHelp(args, usage)) return 0;
  requireProject();
  const config = readConfig();
  const { host, port } = config.listen;
  if (port !== 0 && !(await isFree(host, port))) {
    throw new Failure(
      `Another program listens on port ${port} of ${host}. End it, or change listen in ${files.config}.`,
    );
  }
  await buildKernel();
  await buildPage();
  await stop();
  for (const line of await importJobs(config.database)) console.log(line);
  const tracker = await startTracker({
    folder: ".",
    args: ["--config", files.config],
    env: process.env,
    onLine: (line) => console.error(line),
  });
  console.log(addresses(tracker.localUrl, config.page));
  await stopped(tracker);
  return 0;
}

/** @param {string} url @param {string} page */
export function addresses(url, page) {
  return [`Volunteer page: ${url}${page}`, `Dashboard:      ${url}/`, "Press Ctrl-C to stop."].join(
    "\n",
  );
}

/** Resolves when the user has stopped the tracker. Rejects when it ends by itself. */
export async function stopped(tracker) {
  let ignore = () => {};
  let hangUp = () => {};
  try {
    const signalled = new Promise((resolve) => {
      ignore = onSignals((isFirst) => (isFirst ? resolve(undefined) : process.exit(130)));
      hangUp = () => resolve(undefined);
    });
    // The terminal is closed. With nohup there is none at the input.
    if (process.stdin.isTTY) process.on("SIGHUP", hangUp);
    await Promise.race([signalled, tracker.died]);
    await tracker.stop();
  } finally {
    ignore();
    process.off("SIGHUP", hangUp);
  }
}

/** Imports the files of jobs that the database does not have. Resolves to what there is to say. */
async function importJobs(database) {
  const all = jobFiles();
  if (all.length === 0) return [`There are no jobs in ${files.jobs}/.`];
  const known = importedFiles(await auditOf(database));
  const lines = [];
  for (const { path, flag } of all) {
    if (known.has(path)) continue;
    lines.push(`${path}: ${await importFile(database, path, flag)}`);
  }
  return lines;
}

/** The audit log of a database; empty if there is none yet. */
async function auditOf(database) {
  const file = /^sqlite:([^?]*)/.exec(database)?.[1];
  if (file !== undefined && !existsSync(file)) return "";
  const { code, output, errors } = await callTracker(["audit", "--database", database]);
  if (code === 0) return output;
  throw new Failure(errors.trim().replace(/^distcompute-tracker: /, ""));
}

/** Imports a file of jobs. Resolves to what the tracker says. */
export async function importFile(database, path, flag) {
  const { code, output, errors } = await callTracker([
    "import",
    "--database",
    database,
    flag,
    path,
  ]);
  if (code !== 0) throw new Failure(errors.trim().replace(/^distcompute-tracker: /, ""));
  return output.trim();
}
