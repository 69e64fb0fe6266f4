// What every contender does with a job, and what its worker tells the page of it.

const turns = Number(new URLSearchParams(location.search).get("turns"));

/** A worker that is busy for ever still tells how it goes. */
const tellEveryMs = 200;

const sofar = { jobs: 0, busyMs: 0, at: 0 };

self.addEventListener("unhandledrejection", ({ reason }) => postMessage({ fault: String(reason) }));

/**
 * Arithmetic that no compiler can leave out: each turn needs the one before.
 *
 * @param {number} turns
 */
export function spin(turns) {
  let state = 1;
  for (let turn = 0; turn < turns; turn++) state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state;
}

/**
 * The job: `turns` of the script's address, whatever the clock says.
 *
 * @param {{ shard: number }} data
 */
export function work({ shard }) {
  const since = performance.now();
  const output = { shard, state: spin(turns) };
  const now = performance.now();
  sofar.jobs += 1;
  sofar.busyMs += now - since;
  if (now - sofar.at >= tellEveryMs) {
    sofar.at = now;
    postMessage(sofar);
  }
  return output;
}

/** The texts that the protocol makes of a job's data and of an output, and back. */
const mark = "<!json!>";
export const read = (text) => JSON.parse(text.slice(mark.length));
export const written = (output) => mark + JSON.stringify(output);
