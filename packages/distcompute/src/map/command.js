// `distcompute map`: reads inputs, has this machine and volunteers compute, and writes the outputs.

import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { renderUnicodeCompact } from "uqr";

import { Failure } from "../failure.js";
import { Operator, startTracker } from "../tracker.js";
import { bundle } from "./function.js";
import { importInputs } from "./importer.js";
import { LiveLine } from "./live-line.js";
import { Local, nickname } from "./local.js";
import { readOptions, usage } from "./options.js";
import { Progress, showProgress } from "./progress.js";
import { State, isAlive, writeWhole } from "./state.js";
import { Writer } from "./writer.js";

/** @param {string[]} args */
export async function map(args) {
  const options = readOptions(args);
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  if (options.inputs === undefined && process.stdin.isTTY) {
    throw new Failure(
      "map reads inputs from standard input: pipe them in, or name a file of them.",
    );
  }
  if (options.inputs !== undefined && !existsSync(options.inputs)) {
    throw new Failure(`There is no file ${options.inputs}.`);
  }
  const state = new State(options.state);
  try {
    await endFormerTracker(state);
    if (options.fresh) state.clear();
    return await run(options, state);
  } finally {
    state.close();
  }
}

/**
 * @param {import("./options.js").Options} options
 * @param {State} state
 */
async function run(options, state) {
  const { hash, stages, worker } = await bundle(options.module, state.path("page"));
  state.begin({ hash, txt: options.txt });
  // Whoever is on this machine needs no key.
  const joinKey = isLoopback(options.listen.host) ? undefined : state.joinKey;
  const tracker = await startTracker({
    listen: options.listen,
    args: [
      ...["--database", `sqlite:${state.path("database")}`, "--project", nameOf(options)],
      ...stages.flatMap((letter) => ["--stage", `${letter}=${letter.toUpperCase()}`]),
      ...["--max-attempts", String(options.attempts), "--pause-after", "0", "--lease-s", "60"],
      ...["--admin-token-file", state.path("token"), "--log", "warn"],
      ...(joinKey === undefined ? [] : ["--join-key-file", state.path("joinKey")]),
      ...["--files", `/volunteer=${state.path("page")}`, "--volunteer-page", "/volunteer/"],
    ],
  });
  writeWhole(state.path("tracker"), JSON.stringify({ pid: tracker.pid, url: tracker.localUrl }));
  const live = new LiveLine(process.stderr);
  const interrupted = new AbortController();
  const interrupt = () => {
    if (interrupted.signal.aborted) process.exit(130);
    live.print("Finishing the running jobs. Press Ctrl-C again to stop at once.");
    interrupted.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  /** @type {Local | undefined} */
  let local;
  try {
    // What the cores of a killed run were doing is open at once. Their leases would lapse in a minute, and count
    // as failures of this machine, to which these jobs would then be given last.
    await new Operator(tracker.localUrl, state.token).endWorkers(nickname);
    local = await Local.start({
      ...{ url: tracker.localUrl, worker, stages, joinKey },
      cores: options.local,
    });
    announce(tracker.url, joinKey, live);
    return await compute({ options, state, stages, tracker, live, local }, interrupted.signal);
  } finally {
    live.clear();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    local?.free();
    await tracker.stop();
  }
}

/** Imports, and writes what comes, until all is written or the user interrupts. */
async function compute({ options, state, stages, tracker, live, local }, interrupted) {
  const operator = new Operator(tracker.localUrl, state.token);
  const progress = new Progress();
  const writer = await Writer.open({ options, operator, stages, progress });
  const ended = new AbortController();
  const stopped = AbortSignal.any([interrupted, ended.signal]);
  const finished = once(interrupted).then(() => local?.finish());
  const parts = [
    importInputs({ options, state, operator, progress, signal: stopped }),
    writer.run(finished, ended.signal),
  ];
  const showing = showProgress({ operator, progress, local, live, signal: ended.signal });
  try {
    await Promise.race([Promise.all(parts), showing, tracker.died]);
  } finally {
    ended.abort();
    await Promise.allSettled([...parts, showing]);
    await writer.end();
  }
  if (!progress.isOver) return 130;
  return progress.failed > 0 ? 2 : 0;
}

/** @param {AbortSignal} signal */
function once(signal) {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

const nameOf = ({ module }) => `distcompute map ${module.split(/[/\\]/).at(-1)}`;

/** Ends the tracker of a run that was killed: it still has the database open. */
async function endFormerTracker(state) {
  const file = state.path("tracker");
  if (!existsSync(file)) return;
  const { pid, url } = JSON.parse(readFileSync(file, "utf8"));
  if (!isAlive(pid)) return;
  try {
    // Another program may have this process id by now; only our tracker accepts the token.
    await new Operator(url, state.token).setAside(1);
  } catch {
    return;
  }
  process.kill(pid, "SIGTERM");
  for (let waited = 0; isAlive(pid) && waited < 10_000; waited += 50) await sleep(50);
  if (isAlive(pid))
    throw new Failure(`The tracker of the run before, process ${pid}, does not end.`);
}

/** Prints where volunteers can join. */
function announce(url, joinKey, live) {
  const { hostname, port } = new URL(url);
  const isEverywhere = hostname === "0.0.0.0" || hostname === "[::]";
  const origins = isEverywhere ? networkAddresses(port) : [url];
  // In the fragment, which browsers send to nobody.
  const key = joinKey === undefined ? "" : `#key=${joinKey}`;
  const addresses = origins.map((origin) => `${origin}/volunteer/${key}`);
  if (addresses.length === 0) live.print("This machine has no address in a network.");
  for (const address of addresses) live.print(`Volunteers: ${address}`);
  if (joinKey === undefined || !addresses[0]) return;
  if (process.stderr.isTTY) live.print(renderUnicodeCompact(addresses[0]));
  live.print(
    "Whoever has this address and is in your network can join. Without https, browsers give each tab a " +
      "place of its own, and they do not keep the screen on.",
  );
}

/** Whether only programs on this machine can reach what listens there. @param {string} host */
const isLoopback = (host) => /^(127(\.\d+){3}|::1|localhost)$/.test(host);

function networkAddresses(port) {
  return Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => `http://${address}:${port}`);
}
