// Starts the tracker of the first protocol in this folder, which is Python, for tests in Node.

import { fileURLToPath } from "node:url";

import { ensureSystemPython } from "../../scripts/python.mjs";
import { serve } from "../../scripts/process.mjs";
import { listeningOn } from "../../scripts/start.mjs";

const program = fileURLToPath(new URL("tracker.py", import.meta.url));

/**
 * @param {{ jobs?: number, jsonl?: string, port?: number, stages?: Record<string, string>,
 *   idleTimeoutS?: number, cors?: boolean, files?: Record<string, string> }} [wanted] `jsonl` is a
 *   file with a job a line, instead of `jobs`; `files` are folders by the address at which they are
 *   served, so that page and tracker can share an origin
 */
export async function startOldTracker(wanted = {}) {
  const {
    jobs = 100,
    jsonl,
    port = 0,
    stages = {},
    idleTimeoutS = 7200,
    cors,
    files = {},
  } = wanted;
  const python = await ensureSystemPython();
  const pairs = (flag, values) =>
    Object.entries(values).flatMap(([key, to]) => [flag, `${key}=${to}`]);
  const args = [
    ...[program, "--port", String(port), "--idle-timeout-s", String(idleTimeoutS)],
    ...(jsonl ? ["--jsonl", jsonl] : ["--jobs", String(jobs)]),
    ...(cors ? ["--cors"] : []),
    ...pairs("--stage", stages),
    ...pairs("--files", files),
  ];
  const [command, ...first] = python;
  const { found, stop, kill } = await serve(command, [...first, ...args], { ready: listeningOn });
  return {
    url: found,
    stop,
    kill,
    /** All jobs, workers and credits, as `GET /test/state` says. */
    state: async () => (await fetch(`${found}/test/state`)).json(),
    /** Deletes all workers, as if they had been idle for too long. */
    forget: async () => void (await fetch(`${found}/test/forget`, { method: "POST" })),
  };
}
