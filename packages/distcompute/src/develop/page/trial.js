// The page of `distcompute test`: runs the given jobs in a worker, and hands in what came of them.

import { Trial } from "../../check/trial.js";

/** How long a job may take, in milliseconds. */
const timeoutMs = 60_000;

const trial = new Trial({
  spawn: () => new Worker("trial.js", { type: "module" }),
  timeoutMs,
});

async function outcome() {
  const jobs = await (await fetch("given")).json();
  const loaded = await trial.load();
  if ("unloadable" in loaded) return loaded;
  const ran = [];
  for (const job of jobs) {
    // What is saved may be what JSON cannot hold.
    const { checkpoints, ...rest } = await trial.run(job);
    ran.push(rest);
  }
  return { ran };
}

const found = await outcome().catch((error) => ({ unloadable: String(error?.stack ?? error) }));
await fetch("outcome", { method: "POST", body: JSON.stringify(found) });
