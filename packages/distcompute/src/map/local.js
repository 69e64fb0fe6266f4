// The cores of this machine.

import { mkdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { clearCaches } from "../threads/caches.js";
import { Cores } from "../threads/cores.js";
import { Worker } from "../threads/worker.js";

/** The public name of this machine. */
export const nickname = "this machine";

/**
 * Starts them; none if `cores` is 0.
 *
 * @param {{ url: string, worker: string, files: string, stages: string[], joinKey?: string, cores: number }} wanted
 *   `worker` is the path of the worker script, `files` that of a folder for files of jobs
 */
export async function startLocal({ worker, files, ...wanted }) {
  if (wanted.cores === 0) return undefined;
  mkdirSync(files, { recursive: true, mode: 0o700 });
  clearCaches(files);
  return await Cores.start({
    ...wanted,
    nickname,
    // The machine is the owner's, and so are the failures.
    slowFailing: false,
    spawn: () => new Worker(pathToFileURL(worker), { files }),
  });
}
