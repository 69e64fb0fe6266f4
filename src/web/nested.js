// The workers that the owner's code starts in a compute worker. What they use of a core cannot be
// measured from outside, only that they are there. No rule belongs here.

let alive = 0;
let counts = false;

/** Counts the workers that are started from now on, and not terminated. */
export function countNested() {
  const { Worker } = globalThis;
  if (counts || typeof Worker !== "function") return;
  counts = true;
  const construct = (target, given, newTarget) => {
    const worker = Reflect.construct(target, given, newTarget);
    let ended = false;
    alive += 1;
    worker.terminate = () => {
      if (!ended) alive -= 1;
      ended = true;
      target.prototype.terminate.call(worker);
    };
    return worker;
  };
  try {
    globalThis.Worker = new Proxy(Worker, { construct });
  } catch {
    // Where it cannot be replaced, nothing is known of them.
  }
}

export const hasNested = () => alive > 0;
