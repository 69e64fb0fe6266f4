// One job from beginning to end, as every project's page does it; copied into each test project.

/** Resolves to what the test wants to see: what was handed out, and who did it. */
export async function oneJob(init, url) {
  const client = await init({ url, stage: "a", nickname: "bundler", verbose: false });
  const data = await client.newJob();
  const { jobId, stageName } = client;
  await client.log("1 / 1");
  await client.completeJob({ ok: true });
  await client.bye();
  return { data, jobId, stageName };
}
