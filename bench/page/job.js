// The job that all contenders compute, and the reports of their workers to the page.

const turns = Number(new URLSearchParams(location.search).get("turns"));

/** The interval of reports, in milliseconds. Workers post them themselves because they never idle. */
const tellEveryMs = 200;

/** `firstAt` is the time at which the first job began, by a clock that all threads share. */
const sofar = { jobs: 0, busyMs: 0, at: 0, firstAt: 0 };

self.addEventListener("unhandledrejection", ({ reason }) => postMessage({ fault: String(reason) }));

/**
 * Arithmetic that compilers cannot optimise away, because each turn depends on the one before.
 *
 * @param {number} turns
 */
export function spin(turns) {
  let state = 1;
  for (let turn = 0; turn < turns; turn++) state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state;
}

/**
 * Computes a job: the fixed number of `turns` in the script's URL.
 *
 * @param {{ shard: number }} data
 */
export function work({ shard }) {
  const since = performance.now();
  const output = { shard, state: spin(turns) };
  const now = performance.now();
  if (sofar.jobs === 0) sofar.firstAt = performance.timeOrigin + since;
  sofar.jobs += 1;
  sofar.busyMs += now - since;
  if (now - sofar.at >= tellEveryMs) {
    sofar.at = now;
    postMessage(sofar);
  }
  return output;
}

/** Converts a job's data and its output from and to the text of the protocol. */
const mark = "<!json!>";
export const read = (text) => JSON.parse(text.slice(mark.length));
export const written = (output) => mark + JSON.stringify(output);
