// With the types of browsers, `spawn` returns a `Worker` and signals are `AbortSignal`s.

import type { CallOptions, VolunteerOptions, WorkContext } from "distcompute-client";

export const spawn: VolunteerOptions["spawn"] = () => new Worker("./worker.js", { type: "module" });
export const options: CallOptions = { signal: AbortSignal.timeout(5) };
export const signalOf = (context: WorkContext): AbortSignal => context.signal;

// @ts-expect-error a worker is needed
export const wrong: VolunteerOptions["spawn"] = () => "./worker.js";
// @ts-expect-error a signal is needed
export const wrongOptions: CallOptions = { signal: true };
