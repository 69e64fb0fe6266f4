// What is wrong with a handler, as its trial shows.

/** @typedef {{ level: "error" | "warning", message: string }} Finding */

/** No result may be larger than a request to the tracker, `max_body` by default, of which other parts need some. */
const mostBytes = 16_777_216 - 65_536;

/** A result of more bytes is one that a project has to want. */
const manyBytes = 1_000_000;

/** Handlers are asked to call `progress` each second; so much more is noticed, in milliseconds. */
const longGapMs = 2_000;

/** Shorter jobs mostly wait for each other's transport, in milliseconds. */
const shortMs = 5;

/** More checkpoints are too many: so many in any job, and so many more each second. */
const manyCheckpoints = { atOnce: 10, perSecond: 2 };

const error = (message) => /** @type {Finding} */ ({ level: "error", message });
const warning = (message) => /** @type {Finding} */ ({ level: "warning", message });

/**
 * @param {import("./trial.js").Ran} ran
 * @param {number} [most] the largest result, in bytes
 * @returns {Finding[]}
 */
export function judge(ran, most = mostBytes) {
  if (ran.timedOut) return [error(late(ran.timedOut))];
  if (ran.died) return [error(`The worker has ended: ${ownersPart(ran.died)}`)];
  if (ran.refused) return [error(ran.refused)];
  const found = progressFindings(/** @type {import("./watched.js").Seen} */ (ran.seen));
  if (ran.failure) return [error(failed(ran.failure)), ...found];
  const bytes = ran.bytes ?? 0;
  const size = `The output is ${megabytes(bytes)} of JSON`;
  if (bytes > most) {
    found.unshift(
      error(`${size}, and the tracker takes ${megabytes(most)} (max_body). Store it elsewhere.`),
    );
  } else if (bytes > manyBytes) {
    found.push(warning(`${size}. A million of them would be ${megabytes(bytes * 1e6)}.`));
  }
  const { checkpoints = [], seen } = ran;
  const ms = seen?.ms ?? 0;
  const { atOnce, perSecond } = manyCheckpoints;
  if (checkpoints.length > atOnce + (perSecond * ms) / 1000) {
    found.push(
      warning(
        `checkpoint was called ${checkpoints.length} times in ${milliseconds(ms)}. One every few ` +
          "seconds is enough: each is written to the volunteer's disk.",
      ),
    );
  }
  return found;
}

/** @param {NonNullable<import("./trial.js").Ran["timedOut"]>} timedOut */
function late({ afterMs, share }) {
  const what = `The job did not end within ${seconds(afterMs)} (--timeout)`;
  if (share === undefined) return `${what}, and has not called progress.`;
  if (share <= 0) return `${what}. By its progress, nothing was done yet.`;
  const all = share < 1 ? ` It would take about ${seconds(afterMs / share)}.` : "";
  return `${what}. By its progress, ${Math.round(100 * share)} % was done.${all}`;
}

function failed({ kind, message }) {
  if (kind === "setup") return `setup has thrown.\n${ownersPart(message)}`;
  if (kind === "invalid") return `The handler has flagged its input as invalid: ${message}`;
  return ownersPart(message);
}

/** Lines of a stack that are not the owner's. */
const foreign =
  /^\s+at .*([/\\]distcompute[/\\]src[/\\]|[/\\]distcompute-client[/\\]|node:internal|[/\\]trial\.js:)/;

/** A message with the part of its stack that is about the owner's code. @param {string} message */
export function ownersPart(message) {
  return message
    .split("\n")
    .filter((line) => !foreign.test(line))
    .join("\n");
}

/** @param {import("./watched.js").Seen} seen */
function progressFindings({ ms, calls, longestGapMs = 0, isBackwards, isBeyond }) {
  const found = [];
  const why = "There, volunteers' pauses and stops reach a handler that blocks its thread.";
  if (calls === 0 && ms > longGapMs) {
    found.push(
      warning(`progress was not called in ${seconds(ms)}. Call it at least once a second. ${why}`),
    );
  } else if (calls > 0 && longestGapMs > longGapMs) {
    found.push(
      warning(
        `progress was not called for ${seconds(longestGapMs)}. Call it at least once a second. ${why}`,
      ),
    );
  }
  if (isBeyond) found.push(warning("progress(done, total) was called with done beyond total."));
  if (isBackwards) {
    found.push(warning("progress went back. done counts what is done of the whole job."));
  }
  return found;
}

/**
 * Of a run that was told to stop in `progress`.
 *
 * @param {import("./trial.js").Ran} ran
 * @returns {Finding[]}
 */
export function judgeStop({ seen, timedOut }) {
  const catches =
    "The handler catches what progress throws. It is how a job is stopped: let an AbortError pass.";
  if (timedOut) return [error(`${catches} It went on for ${seconds(timedOut.afterMs)}.`)];
  return seen?.stopped && !seen.obeyed ? [error(catches)] : [];
}

/**
 * Of a job that was continued from a checkpoint.
 *
 * @param {object} runs
 * @param {import("./trial.js").Ran} runs.whole without an interruption
 * @param {import("./trial.js").Ran} runs.again the same once more
 * @param {import("./trial.js").Ran} runs.continued from a checkpoint
 * @returns {Finding[]}
 */
export function judgeCheckpoint({ whole, again, continued }) {
  if (!continued.seen?.readsRestored && !continued.timedOut) {
    return [
      warning(
        "The handler saves checkpoints and does not look at restored, so that a job that was interrupted " +
          "begins anew.",
      ),
    ];
  }
  const [first] = judge(continued).filter(({ level }) => level === "error");
  if (first) return [error(`Continued from a checkpoint: ${first.message}`)];
  /** @param {import("./trial.js").Ran} ran */
  const text = ({ output }) => JSON.stringify(output);
  // Where it is another one each time, nothing can be said.
  if (text(whole) !== text(again) || text(continued) === text(whole)) return [];
  return [
    error(
      "Continued from a checkpoint, the job has another output than without an interruption.\n" +
        `  whole:     ${cut(text(whole))}\n  continued: ${cut(text(continued))}`,
    ),
  ];
}

/**
 * Of all jobs at a stage.
 *
 * @param {number[]} durations in milliseconds
 * @returns {Finding[]}
 */
export function judgeDurations(durations) {
  const longest = Math.max(...durations);
  if (durations.length === 0 || longest >= shortMs) return [];
  return [
    warning(
      `The jobs took ${milliseconds(longest)} at most. Volunteers spend more on fetching such a job: combine ` +
        "some hundreds into one.",
    ),
  ];
}

/** A part of a long text. @param {string} text */
export function cut(text, most = 200) {
  return text?.length > most ? `${text.slice(0, most)}…` : text;
}

const megabytes = (bytes) =>
  `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`;

/** @param {number} ms */
export const milliseconds = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : seconds(ms));

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
