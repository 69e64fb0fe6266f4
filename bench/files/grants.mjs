// How many addresses a tracker signs whose files are in a store of somebody else.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { must } from "../../scripts/process.mjs";
import { peakMb } from "../machine.mjs";
import { startTracker } from "./setting.mjs";

const connections = 32;

const ways = { uploads: "beginnings of uploads", files: "redirects to files" };

/**
 * @param {{ program: string, packageDir: string, folder: string, env: Record<string, string> }} given
 * @param {{ load: string, calls: "uploads" | "files", seconds: number }} wanted `load` is the load generator
 */
export async function grants(given, { load, calls, seconds }) {
  const { folder } = given;
  writeFileSync(join(folder, "one.txt"), "a file that jobs name");
  const jobs = Array.from({ length: connections }, () => ({ file: { $file: "./one.txt" } }));
  const tracker = await startTracker(given, { store: "s3", jobs, files: folder });
  try {
    const args = ["--url", tracker.url, "--connections", String(connections), "--calls", calls];
    const time = ["--batch", "1", "--warmup-s", "1", "--seconds", String(seconds)];
    const { stdout } = await must(load, [...args, ...time]);
    const { jobs_per_s, p99_ms } = JSON.parse(stdout.trim().split("\n").at(-1));
    return {
      ...{ way: ways[calls], mbit: null, bytes: null, mb_per_s: null, against_curl: null },
      ...{ grants_per_s: jobs_per_s, p99_ms, tracker_mb: peakMb(tracker.pid) },
    };
  } finally {
    await tracker.stop();
  }
}
