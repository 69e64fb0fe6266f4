// The servers for the wasm tests: two trackers, and a server that misbehaves. Their addresses are
// written to a file which the test runner serves, so that tests can fetch it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startFaultyServer } from "../tests/faulty/server.mjs";
import { buildPrograms } from "./build.mjs";
import { root } from "./places.mjs";
import { must, serve } from "./process.mjs";
import { listeningOn } from "./start.mjs";

/** The runner serves the crate's folder, so tests fetch this as `/target/test-servers.json`. */
const addresses = join(root, "target", "test-servers.json");

let debugPrograms;

/** The programs in the profile of `cargo test`, which has usually built them already. */
export function testPrograms() {
  debugPrograms ??= buildPrograms({
    what: "the tracker for tests",
    // With any test, Cargo enables the features that tests need of dependencies, as `cargo test` does, and
    // compiles nothing a second time without them.
    args: ["--workspace", "--bins", "--test", "client"],
    about: "2 minutes the first time",
  });
  return debugPrograms;
}

/** Resolves to the path of the tracker in that profile. */
export async function testTracker() {
  return (await testPrograms())["distcompute-tracker"];
}

/** Jobs as JSON Lines, alternately text and objects: both kinds of data in the protocol. */
function jobLines(count) {
  const job = (number) => (number % 2 === 1 ? `shard_${number}.tar` : { shard: number });
  return Array.from({ length: count }, (_, index) => `${JSON.stringify(job(index + 1))}\n`).join(
    "",
  );
}

/**
 * Starts a tracker with the stages a (CPU) and b (GPU) and a new database.
 *
 * @param {{ project: string, jobs: number, extraArgs?: string[] }} wanted
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export async function startTestTracker({ project, jobs, extraArgs = [] }) {
  const program = await testTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-tracker-"));
  const database = `sqlite:${join(folder, "jobs.db")}`;
  const lines = join(folder, "jobs.jsonl");
  writeFileSync(lines, jobLines(jobs));
  await must(program, ["import", "--database", database, "--jsonl", lines]);
  const args = [
    ...["serve", "--listen", "127.0.0.1:0", "--database", database, "--project", project],
    ...["--stage", "a=CPU", "--stage", "b=GPU", ...extraArgs],
  ];
  const server = await serve(program, args, { ready: listeningOn });
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: server.found, stop };
}

/**
 * Calls `work` while the servers are running.
 *
 * @param {() => Promise<any>} work
 * @param {object} [more] further values for the file with the addresses
 */
export async function withTestServers(work, more = {}) {
  const running = [];
  const add = async (server) => (running.push(await server), running.at(-1).url);
  try {
    const urls = {
      tracker: await add(startTestTracker({ project: "Wasm tests", jobs: 1000 })),
      trackerB: await add(startTestTracker({ project: "Wasm tests, elsewhere", jobs: 1000 })),
      faulty: await add(startFaultyServer()),
    };
    mkdirSync(join(root, "target"), { recursive: true });
    writeFileSync(addresses, JSON.stringify({ ...urls, ...more }));
    return await work();
  } finally {
    rmSync(addresses, { force: true });
    await Promise.all(running.map(({ stop }) => stop()));
  }
}
