// Imports the inputs while the work goes on, and checks that a continued run has the same ones.

import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../failure.js";
import { Unanswered } from "../tracker.js";
import { jobLine, lineGroups } from "./lines.js";

/** How much is imported at a time. */
const most = { lines: 2_000, bytes: 1_000_000 };

/**
 * @param {object} parts
 * @param {import("./options.js").Options} parts.options
 * @param {import("./state.js").State} parts.state
 * @param {import("../tracker.js").Operator} parts.operator
 * @param {import("./progress.js").Progress} parts.progress
 * @param {AbortSignal} parts.signal ends the import
 * @param {number} [parts.underWayMs] how long a call that was not answered may still be on its way
 */
export async function importInputs({
  options,
  state,
  operator,
  progress,
  signal,
  underWayMs = 5_000,
}) {
  const imported = (await operator.status()).jobs;
  state.forgetInputsAfter(imported);
  const stream = options.inputs === undefined ? process.stdin : createReadStream(options.inputs);
  // Waiting for the next line must end too.
  const stop = () => stream.destroy();
  signal.addEventListener("abort", stop, { once: true });
  let batch = [];
  let bytes = 0;
  let number = 0;
  const flush = async () => {
    const jobs = batch.map(({ job }) => job);
    state.noteInputs(
      progress.total + 1,
      batch.map(({ line }) => line),
    );
    await add({ operator, jobs, before: progress.total, underWayMs });
    progress.total += jobs.length;
    batch = [];
    bytes = 0;
  };
  try {
    for await (const group of lineGroups(stream)) {
      for (const line of group) {
        number += 1;
        if (number <= imported) {
          if (!state.isSameInput(number, line)) throw differs(number, options);
          progress.total = number;
          continue;
        }
        const hasFiles = options.tracker !== undefined;
        const job = jobLine(line, { txt: options.txt, number, hasFiles });
        batch.push({ line, job });
        bytes += job.length;
        if (batch.length >= most.lines || bytes >= most.bytes) await flush();
      }
      // Whoever writes the inputs may wait for outputs.
      if (batch.length > 0 && stream.readableLength === 0) await flush();
    }
    if (number < imported) throw differs(number + 1, options);
    if (batch.length > 0) await flush();
    progress.isAll = true;
  } catch (error) {
    // Reading fails because it was stopped.
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/**
 * Adds jobs to a tracker that has `before` of them. If a call is not answered, the tracker's count says how many
 * have arrived.
 */
async function add({ operator, jobs, before, underWayMs }) {
  for (let rest = jobs; rest.length > 0;) {
    const first = before + jobs.length - rest.length + 1;
    try {
      const { added, numbers } = await operator.addJobs(rest);
      if (added !== rest.length)
        throw new Failure(`The tracker added ${added} of ${rest.length} jobs.`);
      if (numbers[0]?.first !== first || numbers.at(-1)?.last !== before + jobs.length)
        throw new Failure(
          "Somebody else adds jobs to this tracker: map needs a project of its own.",
        );
      return;
    } catch (error) {
      if (!(error instanceof Unanswered) || !operator.isPatient) throw error;
      await sleep(underWayMs);
      const { jobs: there } = await operator.status();
      rest = jobs.slice(there - before);
    }
  }
}

function differs(number, { state }) {
  return new Failure(
    `Line ${number} of the inputs is not the one of the run that ${state} contains. Continue with the same ` +
      `inputs, begin anew with --fresh, or choose another folder with --state.`,
  );
}
