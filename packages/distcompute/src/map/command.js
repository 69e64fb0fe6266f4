// `distcompute map`: reads inputs, has this machine and volunteers compute, and writes the outputs.

import { existsSync } from "node:fs";

import { Failure } from "../failure.js";
import { LiveLine } from "../live-line.js";
import { onSignals } from "../signals.js";
import { prepare } from "./function.js";
import { openGiven } from "./given.js";
import { importInputs } from "./importer.js";
import { nickname, startLocal } from "./local.js";
import { readOptions, usage } from "./options.js";
import { endFormerTracker, startOwn } from "./own.js";
import { Progress, showProgress } from "./progress.js";
import { State } from "./state.js";
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
  const live = new LiveLine(process.stderr);
  const interrupted = new AbortController();
  // From the beginning: a tracker that is just being started has to be ended too.
  const ignore = onSignals((isFirst) => {
    if (!isFirst) process.exit(130);
    live.print("Finishing the running jobs. Press Ctrl-C again to stop at once.");
    interrupted.abort();
  });
  const state = new State(options.state);
  try {
    await endFormerTracker(state);
    if (options.fresh) state.clear();
    return await run({ options, state, live, interrupted: interrupted.signal });
  } finally {
    live.clear();
    ignore();
    state.close();
  }
}

/**
 * @param {object} run
 * @param {import("./options.js").Options} run.options
 * @param {State} run.state
 * @param {LiveLine} run.live
 * @param {AbortSignal} run.interrupted
 */
async function run({ options, state, live, interrupted }) {
  const { hash, stages, worker } = await prepare(options.module, state.path("page"));
  state.begin({ hash, txt: options.txt, tracker: options.tracker?.url.href ?? null });
  if (interrupted.aborted) return 130;
  const tracker = options.tracker
    ? await openGiven({ options, state, stages, worker })
    : await startOwn({ options, state, stages });
  /** @type {Awaited<ReturnType<typeof startLocal>>} */
  let local;
  try {
    if (interrupted.aborted) return 130;
    // What the cores of a killed run were doing is open at once. Their leases would lapse in a minute, and count
    // as failures of this machine, to which these jobs would then be given last.
    await tracker.operator.endWorkers(nickname);
    const { url, joinKey } = tracker;
    const files = state.path("files");
    local = await startLocal({ url, worker, files, stages, joinKey, cores: options.local });
    await tracker.announce((line) => live.print(line));
    return await compute({ options, state, stages, tracker, live, local }, interrupted);
  } finally {
    local?.free();
    await tracker.stop();
  }
}

/** Imports, and writes what comes, until all is written or the user interrupts. */
async function compute({ options, state, stages, tracker, live, local }, interrupted) {
  const { operator } = tracker;
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
