// What must hold after the volunteers are done.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { Failure } from "../../scripts/failure.mjs";
import { must } from "../../scripts/process.mjs";
import { adminToken, serveTracker, stages } from "./setting.mjs";
import { bytesOf, nameOf, seeds } from "./volunteer.mjs";

/** So many files are fetched at a time. */
const atOnce = 8;

/**
 * Compares what volunteers were answered with what the trackers have, and fetches every file that an input or a
 * result names. Resolves to the names of these files.
 *
 * @param {Awaited<ReturnType<typeof import("./setting.mjs").startSetting>>} setting
 * @param {import("./volunteer.mjs").Report} report
 * @param {(number: number) => number} sizeOf the size of the files of a job
 */
export async function compare(setting, report, sizeOf) {
  const { jobs } = report;
  const status = await (await fetch(`${setting.url}/api/status`)).json();
  for (const { stage, open, held, done, set_aside } of status.stages) {
    const found = { open, held, done, set_aside };
    const isRight = open === 0 && held === 0 && set_aside === 0 && done === jobs;
    if (!isRight) throw new Failure(`Stage ${stage}: ${JSON.stringify(found)} of ${jobs} jobs.`);
  }
  const named = new Map();
  for (let n = 1; n <= jobs; n++)
    named.set(nameOf(bytesOf(seeds.a(n).given, sizeOf(n))), sizeOf(n));
  for (const stage of stages) {
    const results = await exported(setting, stage);
    const byNumber = new Map(results.map(({ number, data }) => [number, data]));
    if (results.length !== jobs || byNumber.size !== jobs)
      throw new Failure(`Stage ${stage} has ${results.length} results of ${byNumber.size} jobs.`);
    for (const [number, { data }] of report.accepted[stage]) {
      const kept = byNumber.get(number);
      const isSame =
        JSON.stringify(JSON.parse(data.replace("<!json!>", ""))) === JSON.stringify(kept);
      if (!isSame)
        throw new Failure(`Job ${number} of ${stage} was answered with success, and is not kept.`, {
          output: `${data}\n${JSON.stringify(kept)}`,
        });
    }
    for (const { data } of results) named.set(data.file.$file, data.file.bytes);
  }
  await fetchAll(setting, named);
  return named;
}

async function exported({ program, env, where }, stage) {
  const database = where.slice(0, where.indexOf("--object-store"));
  const { stdout } = await must(program, ["export", ...database, "--stage", stage], { env });
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function fetchAll({ url }, named) {
  const left = [...named];
  const headers = { authorization: `Bearer ${adminToken}` };
  const fetchOne = async ([name, bytes]) => {
    const answer = await fetch(`${url}/api/files/${name}`, { headers });
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of answer.body) {
      hash.update(chunk);
      size += chunk.length;
    }
    const found = `sha256-${hash.digest("hex")}`;
    if (answer.status !== 200 || size !== bytes || found !== name)
      throw new Failure(`${name} was answered ${answer.status} with ${size} bytes: ${found}.`);
  };
  const fetchSome = async () => {
    while (left.length > 0) await fetchOne(left.pop());
  };
  await Promise.all(Array.from({ length: atOnce }, fetchSome));
}

/** How long a sweep may take. */
const sweepMs = 60_000;

/**
 * Stops the trackers, has others sweep that believe it is three days later, and then two hours more, and makes
 * sure that the store has what is named and nothing else.
 *
 * @param {Awaited<ReturnType<typeof import("./setting.mjs").startSetting>>} setting
 * @param {Map<string, number>} named
 * @param {string} orphan a file that nothing names
 */
export async function sweep(setting, named, orphan) {
  const { store, trackers } = setting;
  const [files, parts] = [await store.list("files"), await store.list("uploads")];
  if (!files.includes(orphan) || parts.length === 0)
    throw new Failure("There is nothing to sweep, so that a sweep would show nothing.");
  const missing = [...named.keys()].filter((name) => !files.includes(name));
  if (missing.length > 0) throw new Failure(`The store lacks ${missing.join(", ")}.`);
  for (const tracker of trackers) await tracker.stop();
  // Parts are deleted, and after them grants that are over are forgotten, which dooms the files that had no other.
  const isDoomed = async () => {
    const counted = await setting.sql(
      "select 'doomed: ' || count(*) from files where doomed_at is not null",
    );
    return /doomed: [1-9]/.test(counted.stdout);
  };
  await laterBy(
    setting,
    72,
    async () => (await store.list("uploads")).length === 0 && (await isDoomed()),
  );
  // Files are deleted an hour after the last that named them.
  await laterBy(setting, 74, async () => (await store.list("files")).length === named.size);
  const left = (await store.list("files")).filter((name) => !named.has(name));
  if (left.length > 0) throw new Failure(`The store still has ${left.join(", ")}.`);
  return { files: files.length - named.size, parts: parts.length };
}

/** Lets a tracker run until `done`, for which it is some hours later. */
async function laterBy(setting, hours, done) {
  const now = "floor(extract(epoch from clock_timestamp()) * 1000)::bigint";
  // The clock of trackers on PostgreSQL.
  await setting.sql(
    "create or replace function tracker_now() returns bigint language sql volatile " +
      `as $$ select ${now} + ${hours * 3_600_000} $$`,
  );
  const before = ["faketime", "--exclude-monotonic", "-f", `+${hours}h`];
  const args = ["--sweep-interval-s", "1"];
  const tracker = await serveTracker(setting, { port: 0, before, args });
  try {
    const deadline = performance.now() + sweepMs;
    while (!(await done())) {
      if (performance.now() > deadline)
        throw new Failure(`The sweep of ${hours} hours later does not end as it should.`, {
          output: JSON.stringify({
            files: (await setting.store.list("files")).length,
            parts: await setting.store.list("uploads"),
          }),
        });
      await sleep(100);
    }
  } finally {
    await tracker.stop();
  }
}
