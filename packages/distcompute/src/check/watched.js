// Observes what a handler does with its context. Bundled with the script under trial.

/**
 * @typedef {object} Seen
 * @property {number} ms how long the handler took
 * @property {number} calls of `progress`
 * @property {number} [longestGapMs] between two calls of `progress`, or one and the beginning or the end
 * @property {boolean} isBackwards whether `done` has become less
 * @property {boolean} isBeyond whether `done` was more than `total`
 * @property {boolean} readsRestored whether the handler has looked at `restored`
 * @property {boolean} stopped whether it was told to stop
 * @property {boolean} obeyed whether that was what it ended with
 */

/** Told to a handler as it is when a volunteer presses Stop. */
class StopError extends Error {
  name = "AbortError";
  constructor() {
    super("The job shall stop: let this error pass.");
  }
}

/** How often the latest progress is passed on, in milliseconds. */
const everyMs = 250;

/**
 * The parts with a handler that is observed. `setup` runs once, however many jobs there are.
 *
 * @param {any} parts what the script has given to `work`
 * @param {object} options
 * @param {() => unknown} options.setup the shared result of `setup`
 * @param {boolean} options.stop whether the first call of `progress` throws
 * @param {(done: number, total: number) => void} options.onProgress
 */
export function watched(parts, { setup, stop, onProgress }) {
  const handler = typeof parts === "function" ? parts : parts?.handler;
  /** @type {Seen} */
  const seen = {
    ms: 0,
    calls: 0,
    isBackwards: false,
    isBeyond: false,
    readsRestored: false,
    stopped: false,
    obeyed: false,
  };
  // What is wrong with it, `runJob` says.
  if (typeof handler !== "function") return { parts, seen };
  const owner = typeof parts === "function" ? undefined : parts;
  let last;
  let reported = -Infinity;
  let greatest = 0;
  let begun = 0;
  const noteGap = () => {
    const now = performance.now();
    seen.longestGapMs = Math.max(seen.longestGapMs ?? 0, now - last);
    last = now;
    return now;
  };
  const contextOf = (context) =>
    Object.create(context, {
      restored: {
        get() {
          seen.readsRestored = true;
          return context.restored;
        },
      },
      progress: {
        value(done, total, text) {
          context.progress(done, total, text);
          seen.calls += 1;
          const now = noteGap();
          if (done < greatest) seen.isBackwards = true;
          if (done > total) seen.isBeyond = true;
          greatest = Math.max(greatest, done);
          if (stop) {
            seen.stopped = true;
            throw new StopError();
          }
          if (now - reported < everyMs) return;
          reported = now;
          onProgress(done, total);
        },
      },
    });
  const end = () => {
    noteGap();
    seen.ms = performance.now() - begun;
  };
  const failed = (error) => {
    end();
    seen.obeyed = error instanceof StopError;
    throw error;
  };
  const observed = (job, context) => {
    begun = last = performance.now();
    try {
      const output = handler.call(owner, job, contextOf(context));
      if (typeof output?.then !== "function") {
        end();
        return output;
      }
      return Promise.resolve(output).then((value) => {
        end();
        return value;
      }, failed);
    } catch (error) {
      return failed(error);
    }
  };
  if (!owner) return { parts: { setup, handler: observed }, seen };
  // With the other names in it, of which `runJob` finds those that are misspelt.
  return { parts: { ...owner, ...("setup" in owner && { setup }), handler: observed }, seen };
}
