// The cores of this machine.

import { pathToFileURL } from "node:url";

import { Cores } from "../threads/cores.js";
import { Worker } from "../threads/worker.js";

/** The public name of this machine. */
export const nickname = "this machine";

/**
 * Starts them; none if `cores` is 0.
 *
 * @param {{ url: string, worker: string, stages: string[], joinKey?: string, cores: number }} wanted
 *   `worker` is the path of the worker script
 */
export async function startLocal({ worker, ...wanted }) {
  if (wanted.cores === 0) return undefined;
  return await Cores.start({
    ...wanted,
    nickname,
    // The machine is the owner's, and so are the failures.
    slowFailing: false,
    spawn: () => new Worker(pathToFileURL(worker)),
  });
}
