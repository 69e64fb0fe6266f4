// The loop from the documentation of the Python package, with `Client`: five calls per job.

import loadWasm, { init } from "/pkg/distcompute_client.js";
import { work } from "./job.js";

await loadWasm();
const client = await init({ url: location.origin, stage: "a", nickname: "five" });

while (await client.isAlive()) {
  if ((await client.jobCount()) === 0) throw new Error("no jobs are left");
  await client.newJob();
  const output = work(client.job);
  await client.log("Analysed 1 / 1 images");
  await client.completeJob(output);
}
throw new Error("the tracker has forgotten this worker");
