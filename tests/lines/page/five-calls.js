// The loop from the documentation of the Python package, with `Client`: five calls per job.

import loadWasm, { init } from "/pkg/distcompute_client.js";
import { work } from "./job.js";

await loadWasm();
const url = new URL(location.href).searchParams.get("url");
const client = await init({ url, stage: "a", nickname: "five" });

while (await client.isAlive()) {
  if ((await client.jobCount()) === 0) break;
  await client.newJob();
  const output = work(client.job);
  await client.log("Analysed 1 / 1 images");
  await client.completeJob(output);
}
