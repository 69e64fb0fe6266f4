// Helpers to start trackers on a PostgreSQL and to call them.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { must, serve } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";
import { listeningOn } from "../../scripts/start.mjs";

/** Keeps connections alive, because opening them would dominate the duration of calls. */
const agent = new Agent({ keepAlive: true });

/** Imports `count` jobs with the data `input 1`, `input 2` and so on. */
export async function importJobs(database, count) {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-jobs-"));
  const file = join(folder, "jobs.txt");
  writeFileSync(file, Array.from({ length: count }, (_, n) => `input ${n + 1}\n`).join(""));
  await must(await testTracker(), ["import", "--database", database, "--txt", file]);
  rmSync(folder, { recursive: true });
}

/** The results of a stage by number, as `export` writes them. */
export async function exported(database, stage) {
  const args = ["export", "--database", database, "--stage", stage];
  const { stdout } = await must(await testTracker(), args);
  return stdout.trim().split("\n").filter(Boolean).map(JSON.parse);
}

/** @returns {Promise<{ url: string, stop: () => Promise<number> }>} */
export async function startTracker(database, ...flags) {
  const args = ["serve", "--listen", "127.0.0.1:0", "--database", database, "--project", "Shared"];
  const server = await serve(await testTracker(), [...args, "--stage", "a=CPU", ...flags], {
    ready: listeningOn,
  });
  return { url: server.found, stop: server.stop };
}

/** @returns {Promise<{ status: number, headers: object, text: string }>} */
export function call(url, path, body) {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const asked = request(new URL(path, url), { agent, method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text += part));
      answer.on("error", reject);
      answer.on("end", () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }),
      );
    });
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Registers a worker at stage a, and resolves to its token. */
export async function register(url, nickname) {
  const answer = await call(url, `/api/new?nickname=${nickname}&stage=a`);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text).token;
}

/** The output of a job in these tests. */
export const outputOf = (input) => `done: ${input}`;
