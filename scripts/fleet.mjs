// `npm run fleet`: two trackers, a PostgreSQL, an S3 server (moto) and haproxy on this machine, with volunteers who
// work while each of them fails. `npm run test:more -- fleet` runs a small version of it.

import { buildCloudTracker } from "./build.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { ensureFleetTools } from "./operators.mjs";
import { ensurePostgres } from "./postgres.mjs";
import { endOnSignals } from "./process.mjs";
import { duration, secondsSince } from "./progress.mjs";
import { ensureS3 } from "./python.mjs";
import { withS3 } from "./s3.mjs";
import { ensureRust } from "./tools.mjs";

const usage = `npm run fleet [-- options]

Runs two trackers behind haproxy (docs/fleet/haproxy.cfg), on one PostgreSQL and one S3 server, with volunteers
that fetch and upload files. Meanwhile a tracker is killed, the store is away, and the database is restarted.
Then everything that was answered is compared with what is there.

  --browsers N  how many volunteers there are (200)
  --jobs N      how many jobs, each of which has two stages (600)
  --bytes N     the size of a file (1000000); every twentieth job has files of 9 MB
  --away N      for how many seconds the store is away (60)
  --help        this text`;

const defaults = { browsers: 200, jobs: 600, bytes: 1_000_000, away: 60 };

/** @param {string[]} args */
export function readArguments(args) {
  const wanted = { ...defaults };
  const rest = [...args];
  while (rest.length > 0) {
    const flag = rest.shift();
    const name = flag.replace(/^--/, "");
    const value = Number(rest.shift());
    if (flag === name || !Object.hasOwn(defaults, name) || !(Number.isInteger(value) && value > 0))
      throw new Failure(`Invalid option: ${flag}`, { remedy: usage });
    wanted[name] = value;
  }
  return wanted;
}

async function main(args) {
  if (args.includes("--help")) return console.log(usage);
  const { away: storeAwayS, ...wanted } = readArguments(args);
  endOnSignals();
  await ensureRust();
  await ensureFleetTools();
  const [python, bin] = [await ensureS3(), await ensurePostgres()];
  const program = await buildCloudTracker();
  const { runFleet } = await import("../tests/fleet/fleet.mjs");
  const since = performance.now();
  const log = (line) => console.log(`${duration(secondsSince(since))}: ${line}`);
  const ended = await withS3(python, (env) =>
    runFleet({ program, bin, env, storeAwayS, log, ...wanted }),
  );
  const mb = (bytes) => Math.round(bytes / 1e6);
  console.log(`
${ended.results} results of ${wanted.jobs} jobs in ${duration(ended.seconds)}; each was answered once and is kept
${ended.files} files that inputs and results name were fetched, and have their hashes
${mb(ended.bytes.down)} MB were fetched meanwhile, ${mb(ended.bytes.up)} MB uploaded; ${ended.repeated} requests were repeated
${ended.rejected} results were rejected, because another one had come first
${ended.slowestMs} ms: the slowest answer without files while the store was away
${ended.swept.files} files and ${ended.swept.parts} parts that nothing names were swept, and nothing else was left but
${ended.multiparts} objects begun in several parts, which the store's own rule gives up
${ended.trackersMb.join(" and ")} MB: the most memory of the trackers`);
}

if (isMain(import.meta.url)) await runMain(main);
