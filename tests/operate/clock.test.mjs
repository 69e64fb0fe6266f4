// A server whose clock was wrong for a while, simulated by running the tracker with a fake time.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { operatorEnv } from "../../scripts/operators.mjs";
import { must, serve } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { untilTrue } from "../e2e/sample.mjs";

const leaseS = 5;

test("a lease from a tracker whose clock was a month ahead expires on time after the correction", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-clock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = await testTracker();
  const database = `sqlite:${join(folder, "jobs.db")}`;
  await must(program, ["import", "--database", database, "--brace", "{1..4}"]);
  const start = async (before = []) => {
    const args = ["serve", "--listen", "127.0.0.1:0", "--database", database];
    const own = ["--lease-s", String(leaseS), "--sweep-interval-s", "1"];
    const [command, ...rest] = [...before, program, ...args, ...own];
    const server = await serve(command, rest, { ready: listeningOn, env: operatorEnv() });
    t.after(() => server.kill());
    const call = async (path, body) => {
      const headers = { "content-type": "application/json" };
      const posted = body && { method: "POST", headers, body: JSON.stringify(body) };
      return await (await fetch(server.found + path, posted)).json();
    };
    const newcomer = async (nickname) =>
      (await call(`/api/new?nickname=${nickname}&stage=a`)).token;
    return { server, newcomer, sync: (body) => call("/api/sync", body) };
  };

  const month = ["faketime", "--exclude-monotonic", "-f", "+30d"];
  const ahead = await start(month);
  const gone = await ahead.newcomer("Gone");
  const { jobs } = await ahead.sync({ token: gone, seq: 1, want: 4 });
  assert.equal(jobs.length, 4, "all jobs are held");
  await ahead.server.kill();

  const begun = Date.now();
  const mended = await start();
  const token = await mended.newcomer("Ada");
  let seq = 0;
  const holding = [];
  await untilTrue(
    async () => {
      const { jobs } = await mended.sync({ token, seq: ++seq, want: 4, holding });
      holding.push(...jobs.map(({ lease }) => lease));
      return holding.length === 4;
    },
    () => `got ${holding.length} of 4 jobs`,
  );
  assert.ok(Date.now() - begun >= leaseS * 500, "the lease was still waited for");
});
