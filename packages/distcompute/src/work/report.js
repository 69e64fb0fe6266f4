// What `distcompute work` prints about a volunteer's status.

import { counted, grouped, rate } from "../map/figures.js";

const sentences = {
  computing: "computing",
  starting: "starting",
  fetching: "waiting for the next jobs",
  no_jobs: "no open jobs",
  unreachable: "the tracker cannot be reached",
  asked_to_wait: "the tracker asks to wait",
  no_tracker: "no usable tracker",
  setup_failed: "the project's setup fails",
  jobs_fail: "most jobs fail here",
  worker_failed: "the worker script cannot be started",
  finishing: "finishing the running jobs",
  stopping: "giving jobs back",
  stopped: "stopped",
  updating: "loading a new version of the project",
  failed: "failed",
};

/** What comes from the project's code or server must not control the terminal. @param {string} text */
export function printable(text) {
  return text.replaceAll(/[^\P{C}\t]/gu, "�");
}

/**
 * Why it is in its state, as a line of a log; the same text as long as that does not change.
 *
 * @param {any} status
 */
export function reasonOf({ reason, error }) {
  const sentence = sentences[reason.code] ?? String(reason.code);
  return printable(error ? `${sentence}: ${error.message}` : sentence);
}

/**
 * @param {any} status
 * @param {number} perSecond
 */
export function statusLine(status, perSecond) {
  const { jobsDone, jobsFailed, lastError, working } = status;
  const parts = [reasonOf(status), `${grouped(jobsDone)} done`];
  if (jobsFailed > 0)
    parts.push(`${grouped(jobsFailed)} failed (${printable(lastError?.message ?? "")})`);
  parts.push(`${counted(working, "core")} at work`, `${rate(perSecond)} jobs/s`);
  return parts.join(" · ");
}

/** Errors that waiting does not mend: the user has to do something. */
const final = ["join_key_required", "stage_disabled", "stage_invalid", "invalid_argument"];

/** @param {any} status */
export function isFinal({ error }) {
  return error !== null && final.includes(error.code);
}
