// How far a run is, and showing it.

import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../failure.js";
import { progressText } from "./figures.js";

/** How often the tracker's counters are read, in milliseconds. */
const everyMs = 500;

/** The rate is that of so many seconds. */
const windowS = 10;

export class Progress {
  /** The number of inputs that have been read so far, and whether these are all. */
  total = 0;
  isAll = false;
  /** The number of outputs written, and of jobs that have failed for good. */
  written = 0;
  failed = 0;

  /** Whether there is nothing left to do. */
  get isOver() {
    return this.isAll && this.written + this.failed >= this.total;
  }
}

/** Shows the progress until `signal` is aborted. Rejects if this machine cannot compute. */
export async function showProgress({ operator, progress, local, live, signal }) {
  const seen = [];
  while (!signal.aborted) {
    const { jobs, stages, volunteers, set_aside: failed } = await operator.status();
    const done = stages.at(-1).done;
    seen.push({ at: performance.now(), done });
    while (seen.length > (1000 * windowS) / everyMs) seen.shift();
    const [first] = seen;
    const seconds = (performance.now() - first.at) / 1000;
    const perSecond = seconds > 0.2 ? (done - first.done) / seconds : 0;
    const held = stages.reduce((sum, stage) => sum + stage.held, 0);
    // A continued run has not read all the inputs yet that are jobs already.
    const total = Math.max(jobs, progress.total);
    const figures = { ...{ total, isAll: progress.isAll }, done, failed, held };
    const cores = local?.status.settings.cores ?? 0;
    live.show(progressText({ ...figures, volunteers, cores, perSecond }));
    const error = local?.status.error;
    if (error) throw new Failure(`This machine cannot compute: ${error.message}`);
    await sleep(everyMs, undefined, { signal }).catch(() => {});
  }
}
