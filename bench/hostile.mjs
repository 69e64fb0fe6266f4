// `npm run bench -- hostile`: the service that honest volunteers get from a tracker during an attack,
// compared with the service while the same traffic goes to a sink on the same machine.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { buildPackage, buildTracker } from "../scripts/build.mjs";
import { Failure } from "../scripts/failure.mjs";
import { root } from "../scripts/places.mjs";
import { ensurePostgres } from "../scripts/postgres.mjs";
import { serve } from "../scripts/process.mjs";
import { listeningOn } from "../scripts/start.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { readArguments as read } from "./arguments.mjs";
import { figureOf, publish, statusesText } from "./hostile-report.mjs";
import { attacks } from "./hostile/attacks.mjs";
import { everyMs, jobs as together, startHonest, volunteers } from "./hostile/honest.mjs";
import { ensureSqlite, fill, largeResults, results, serveArgs } from "./hostile/setting.mjs";
import { machineFacts, peakMb } from "./machine.mjs";
import { postgresStore, sqliteStore } from "./stores.mjs";

const every = { attacks: Object.keys(attacks), stores: ["sqlite", "postgres"] };

export const usage = `npm run bench -- hostile [options]

  --attacks LIST   ${every.attacks.slice(0, 6)},
                   ${every.attacks.slice(6)}
  --stores LIST    ${every.stores}
  --seconds N      how long each attack takes, once to the tracker and once to a sink (10)
  --addresses N    how many addresses an attacker has (1)
  --names N        how many nicknames the leaderboard has (1000000)
  --quick          3 s, 20,000 names

A run of everything writes bench/results/; any other writes target/bench/.`;

/** How long honest volunteers work before the attack starts. */
const warmUpMs = 3 * everyMs;

/** The timeout for an attacker to register its workers and to prepare its requests. */
const prepareMs = 60_000;

/** How much longer than its duration an attack may take before it is considered hung. */
const spareMs = 10_000;

/** @param {string[]} args */
export function readArguments(args) {
  const lists = { attacks: { all: every.attacks }, stores: { all: every.stores } };
  const numbers = { seconds: 10, addresses: 1, names: 1_000_000 };
  return read(args, { usage, lists, numbers, quick: { seconds: 3, names: 20_000 } });
}

/** @param {string[]} args */
export async function main(args) {
  const wanted = readArguments(args);
  const bin = wanted.stores.includes("postgres") ? await ensurePostgres() : undefined;
  if (wanted.stores.includes("sqlite")) await ensureSqlite();
  if (wanted.attacks.includes("downloads")) {
    await ensureBuildTools();
    // Built first, because the tracker embeds the client.
    await buildPackage();
  }
  const { "distcompute-tracker": program } = await buildTracker();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-bench-"));
  const stores = [];
  const figures = [];
  try {
    if (wanted.stores.includes("sqlite")) stores.push(await sqliteStore(folder));
    if (bin) stores.push(await postgresStore(bin));
    const facts = await machineFacts({ folder, postgres: bin });
    const jobs = jobsFor(wanted);
    for (const store of stores) {
      await fill({ ...wanted, program, store, folder, jobs });
      for (const attack of wanted.attacks) {
        const setting = { ...wanted, program, store, jobs, attack };
        const tracker = await underAttack(setting);
        const { steps } = tracker.report;
        const sink = await underAttack({ ...setting, steps, sink: true });
        figures.push(figureOf({ attack, store: store.name, sink, tracker }));
        logFigure(figures.at(-1));
      }
    }
    const about = Object.fromEntries(every.attacks.map((name) => [name, attacks[name].about]));
    publish({ figures, facts, how: howText(wanted), about, everything: wanted.everything });
  } finally {
    for (const store of stores) await store.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Enough jobs for the whole run: twice those of the honest volunteers, and those that attackers hold. */
function jobsFor({ seconds }) {
  const honest = (volunteers * together * (1_000 * seconds + warmUpMs)) / everyMs;
  return results + 2 * honest + 20_000;
}

/**
 * Runs honest volunteers on a new tracker while the attack goes to it, or to a sink beside it.
 *
 * @returns {Promise<import("./hostile-report.mjs").Run>}
 */
async function underAttack({ program, store, jobs, sink, ...orders }) {
  const args = [...serveArgs, "--database", await store.copy(jobs)];
  let log_lines = 0;
  const onLine = () => void log_lines++;
  const tracker = await serve(program, args, { ready: listeningOn, onLine });
  let rss_mb;
  // Sampled during the run, because the tracker may have crashed by its end.
  const timer = setInterval(() => (rss_mb = peakMb(tracker.pid) ?? rss_mb), 100);
  let target, honest;
  try {
    if (sink) target = await node("sink", [], { ready: listeningOn });
    honest = await startHonest(tracker.found);
    await sleep(warmUpMs);
    const url = target?.found ?? tracker.found;
    const attacker = await startAttack({ ...orders, url });
    const window = await honest.during(() => attacker.ended);
    const report = await attacker.ended;
    const lostLater = await honest.stop();
    rss_mb = peakMb(tracker.pid) ?? rss_mb;
    return { window, lostLater, rss_mb, log_lines, report };
  } finally {
    clearInterval(timer);
    honest?.abandon();
    await target?.stop();
    await tracker.stop();
  }
}

/** Starts a process that attacks. `ended` resolves to its report. */
async function startAttack({ attack, url, seconds, addresses, steps }) {
  const orders = JSON.stringify({ attack, url, seconds, addresses, steps });
  const lines = [];
  const attacker = await node("attacker", [orders], {
    ready: (line) => line === "ready",
    startMs: prepareMs,
    onLine: (line) => void lines.push(line),
  });
  const insist = setTimeout(() => attacker.kill(), 1_000 * seconds + spareMs);
  const report = (code) => {
    clearTimeout(insist);
    if (code === 0) return JSON.parse(lines.at(-1));
    throw new Failure(`The attack ${attack} failed.`, { output: lines.join("\n") });
  };
  return { ended: attacker.exited.then(report) };
}

const node = (name, args, options) =>
  serve(process.execPath, [join(root, "bench", "hostile", `${name}.mjs`), ...args], options);

function logFigure({ attack, store, honest_lost, honest_syncs, p99_ratio, rss_mb, ...more }) {
  const { p99_ms, sink_p99_ms, steps, statuses, notes, log_lines } = more;
  const noted = Object.entries(notes).map(([name, count]) => `${name} ${count}`);
  const parts = [
    `${honest_lost} lost of ${honest_syncs} syncs`,
    `p99 ${p99_ms} ms, ${p99_ratio} × ${sink_p99_ms} ms`,
    ...[
      `${rss_mb} MB`,
      `${log_lines} lines of log`,
      `${steps} steps of attack: ${statusesText(statuses)}`,
      ...noted,
    ],
  ];
  console.log(`${attack}, ${store}: ${parts.join("; ")}`);
}

function howText({ seconds, addresses, names }) {
  return [
    `Each attack takes ${seconds} s. It comes from a process of its own with ${addresses} ` +
      `${addresses === 1 ? "address" : "addresses"} and goes to a fresh tracker with the limits that ` +
      "are its defaults; then as many steps of it in as much time go to a sink, beside a fresh tracker " +
      "that is left alone.",
    `${volunteers} honest volunteers, each with an address and a connection of its own, hand ${together} ` +
      `results in and take ${together} jobs every ${everyMs / 1_000} s. The time of a sync is until its ` +
      "answer is the last word, repetitions included.",
    `The database has ${results.toLocaleString("en")} results, of which ${largeResults} are large, and ` +
      `${names.toLocaleString("en")} nicknames.`,
    "Memory is the most that the tracker's process ever had; the database server's is not in it.",
  ];
}
