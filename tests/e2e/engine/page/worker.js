// The worker script of the tests. The `act` of each job selects an action.

import loadWasm, { work } from "/pkg/distcompute_client.js";

await loadWasm();

/** Lets the page crash a hub, which runs no handler that could do so. */
addEventListener("message", ({ data }) => {
  if (data.fail) throw new Error("a hub that fails");
});

/** A wasm module whose only function executes `unreachable`. */
const trap = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0],
  ...[10, 5, 1, 3, 0, 0, 11],
);

/** The time in milliseconds, comparable between workers. */
const clock = () => performance.timeOrigin + performance.now();

const note = (what, job, more) => postMessage({ note: what, job: job.id, at: clock(), ...more });

/** Blocks the thread. Returns for how long. */
function spin(ms) {
  const since = performance.now();
  let passed = 0;
  while (passed < ms) passed = performance.now() - since;
  return passed;
}

/** Arithmetic that compilers cannot optimise away. */
function turn(turns) {
  let state = 1;
  for (let at = 0; at < turns; at++) state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state;
}

const sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)));
  });

/** `bytes` bytes that follow from `seed`, as a stream of pieces of 1 MB. */
function made(bytes, seed) {
  let state = seed;
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const piece = new Uint32Array(262_144);
      for (let at = 0; at < piece.length; at += 1) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        piece[at] = state;
      }
      const length = Math.min(left, piece.byteLength);
      left -= length;
      controller.enqueue(new Uint8Array(piece.buffer, 0, length));
    },
  });
}

/** The sum of all bytes. */
async function sumOf(blob) {
  let sum = 0;
  const reader = blob.stream().getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    for (const byte of value) sum += byte;
  }
  return sum;
}

const acts = {
  /** Puts a file of `bytes` bytes, and hands in the reference to it. */
  put: async ({ id, data: { bytes, seed = 1 } }, { put }) => {
    const file = await put(made(bytes, seed), { type: "text/x-noise" });
    note("put", { id }, { file });
    return { file };
  },
  /** Reads the file that the input names. */
  read: async ({ data, file }) => {
    const blob = await file(data.file);
    return { bytes: blob.size, type: blob.type, sum: await sumOf(blob), file: data.file };
  },
  /** Works for `ms` and reports progress, without ever yielding to the event loop. */
  busy({ data: { ms } }, { progress }) {
    let worked = 0;
    while (worked < ms) {
      worked += spin(5);
      progress(Math.min(worked, ms), ms, "busy");
    }
    return { worked };
  },
  /** The same with checkpoints. */
  steps({ id, data: { ms } }, { progress, checkpoint, restored = 0 }) {
    for (let at = restored; at < ms; at += 100) {
      spin(100);
      progress(at + 100, ms);
      checkpoint(at + 100);
      note("step", { id }, { done: at + 100 });
    }
    return { from: restored };
  },
  /** Waits asynchronously. */
  wait: async ({ data: { ms } }, { signal }) => {
    await sleep(ms, signal);
    return { waited: ms };
  },
  /** Returns a text of `size` characters. */
  text: ({ data: { size } }) => "x".repeat(size),
  /** A fixed amount of arithmetic. */
  turns: ({ data: { turns } }) => ({ state: turn(turns) }),
  trap: () => new WebAssembly.Instance(new WebAssembly.Module(trap)).exports.f(),
  /** Never ends, and reports no progress. */
  hang() {
    for (;;) spin(100);
  },
  /** Reports progress once, and then never again. */
  stall(_job, { progress }) {
    progress(1, 2, "stalls");
    for (;;) spin(100);
  },
};

work((job, context) => {
  note("begin", job, { restored: context.restored });
  globalThis.breaks?.();
  // A later stage is handed the output of the one before.
  const act = job.data.act ?? (job.data.file ? "read" : "wait");
  const output = acts[act](job, context);
  const end = (output) => (note("end", job, Object(output)), output);
  // Blocking actions return their output directly instead of a promise.
  return output instanceof Promise ? output.then(end) : end(output);
});
