// Computes one job from registration to goodbye. Copied into each test project.

/** Resolves to the values that the test checks: the job's data and the worker's names. */
export async function oneJob(init, url) {
  const client = await init({ url, stage: "a", nickname: "bundler", verbose: false });
  const data = await client.newJob();
  const { jobId, stageName } = client;
  await client.log("1 / 1");
  await client.completeJob({ ok: true });
  await client.bye();
  return { data, jobId, stageName };
}
