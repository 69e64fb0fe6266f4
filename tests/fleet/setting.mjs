// What a fleet consists of: the database, the store and the way to it, two trackers, and haproxy with the
// configuration of docs/fleet.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { peakMb } from "../../bench/machine.mjs";
import { Failure } from "../../scripts/failure.mjs";
import { operatorEnv } from "../../scripts/operators.mjs";
import { root } from "../../scripts/places.mjs";
import { freePort } from "../../scripts/port.mjs";
import { ensurePostgres, startPostgres } from "../../scripts/postgres.mjs";
import { must, serve } from "../../scripts/process.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { startGate } from "./gate.mjs";
import { openStore } from "./store.mjs";
import { bytesOf, seeds } from "./volunteer.mjs";

export const stages = ["a", "b"];

export const adminToken = "the secret of a fleet in a test";

/** Where the store has the files of the fleet. */
export const prefix = "fleet";

/** Every so many jobs have files of several parts. */
const largeEvery = 20;
const largeBytes = 9_000_000;

/** The size of the files of a job. */
export function sizesOf({ bytes }) {
  return (number) => (number % largeEvery === 0 ? largeBytes : bytes);
}

/** The first port that is tried. */
const firstPort = 45_200;

const anyPort = () => freePort(firstPort + Math.floor(10_000 * Math.random()), "127.0.0.1");

/** Starts everything, and imports the jobs. */
export async function startSetting({ program, bin, env, jobs, bytes }) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-fleet-"));
  const stops = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const programs = bin ?? (await ensurePostgres());
    const postgres = await startPostgres({ bin: programs });
    stops.push(postgres.stop);
    const gate = await startGate(env.AWS_ENDPOINT);
    stops.push(gate.stop);
    const own = { ...env, AWS_ENDPOINT: gate.url, DISTCOMPUTE_ADMIN_TOKEN: adminToken };
    const place = `s3://${env.DISTCOMPUTE_TEST_BUCKET}/${prefix}`;
    const at = {
      program,
      env: operatorEnv(own),
      where: ["--database", postgres.url, "--object-store", place],
    };
    await importJobs(at, folder, jobs, sizesOf({ bytes }));
    const trackers = [];
    for (let index = 0; index < 2; index++) trackers.push(await startTracker(at, stops));
    const url = await startHaproxy(trackers, stops);
    const store = openStore({ ...env, prefix });
    const sql = (text) => {
      const flags = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", postgres.url];
      return must(join(programs, "psql"), [...flags, "-c", text]);
    };
    return { url, trackers, postgres, gate, store, sql, stop, ...at };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function importJobs({ program, env, where }, folder, jobs, sizeOf) {
  const inputs = join(folder, "inputs");
  mkdirSync(inputs);
  const lines = Array.from({ length: jobs }, (_, index) => {
    const n = index + 1;
    writeFileSync(join(inputs, String(n)), bytesOf(seeds.a(n).given, sizeOf(n)));
    return `${JSON.stringify({ n, file: { $file: `./${n}` } })}\n`;
  });
  const list = join(folder, "jobs.jsonl");
  writeFileSync(list, lines.join(""));
  await must(program, ["import", ...where, "--jsonl", list, "--files", inputs], { env });
  rmSync(inputs, { recursive: true });
}

/** Starts the program of a tracker. `before` is a command that starts it. */
export function serveTracker({ program, env, where }, { port, before = [], args = [] }) {
  const names = stages.flatMap((stage) => ["--stage", `${stage}=${stage.toUpperCase()}`]);
  const listen = ["--listen", `127.0.0.1:${port}`, "--project", "Fleet", "--log", "warn"];
  const all = [...before, program, "serve", ...where, ...names, ...listen, ...args];
  return serve(all[0], all.slice(1), { env, ready: listeningOn });
}

/** A tracker that can be killed and started again at the same address. */
async function startTracker(at, stops) {
  const port = await anyPort();
  let running = await serveTracker(at, { port });
  let peak = 0;
  const measure = () => (peak = Math.max(peak, peakMb(running.pid) ?? 0));
  const stop = async () => {
    measure();
    await running.stop();
  };
  stops.push(stop);
  return {
    port,
    /** The most memory that one of its processes has had, in MB. */
    peak: measure,
    stop,
    kill: async () => {
      measure();
      await running.kill();
    },
    start: async () => {
      running = await serveTracker(at, { port });
    },
  };
}

/** How long haproxy may take until both trackers are there for it. */
const proxyMs = 20_000;

async function startHaproxy(trackers, stops) {
  const bind = `127.0.0.1:${await anyPort()}`;
  const [one, two] = trackers.map(({ port }) => `127.0.0.1:${port}`);
  const output = [];
  let pid = 0;
  const running = must("haproxy", ["-f", join(root, "docs", "fleet", "haproxy.cfg"), "-db"], {
    env: operatorEnv({
      DISTCOMPUTE_BIND: bind,
      DISTCOMPUTE_TRACKER_1: one,
      DISTCOMPUTE_TRACKER_2: two,
    }),
    onStart: (started) => (pid = started),
    onLine: (line) => output.push(line),
  }).catch((error) => output.push(error.message));
  stops.push(async () => {
    if (pid !== 0) process.kill(pid, "SIGTERM");
    await running;
  });
  let ended = false;
  running.then(() => {
    ended = true;
    pid = 0;
  });
  const url = `http://${bind}`;
  const deadline = performance.now() + proxyMs;
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return url;
    if (ended || performance.now() > deadline)
      throw new Failure("haproxy does not pass requests on.", { output: output.join("\n") });
    await sleep(50);
  }
}
