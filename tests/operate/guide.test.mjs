// Runs every command of the operator's guide unchanged in a temporary folder. The comment before a block
// decides how: "in the background" keeps it running, "with the tracker stopped" stops the tracker first,
// "on PostgreSQL" uses a database of the test, and "not run: …" skips it for the given reason.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { operatorEnv } from "../../scripts/operators.mjs";
import { root } from "../../scripts/places.mjs";
import { binCandidates, startPostgres } from "../../scripts/postgres.mjs";
import { must, run, serve } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";
import { listeningOn } from "../../scripts/start.mjs";
import { blocks } from "./guide.mjs";

const folder = mkdtempSync(join(tmpdir(), "distcompute-guide-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const notes = ["", "in the background", "with the tracker stopped", "on PostgreSQL"];

/** Resolves to a free port. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const json = (body) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

/** Registers a volunteer with a key, as a program without a browser does. Resolves to its token. */
async function register(url, stage, { publicKey, privateKey }) {
  const nonce = (await fetch(`${url}/api/nonce`)).headers.get("dpop-nonce");
  const coded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = { typ: "dpop+jwt", alg: "EdDSA", jwk: publicKey.export({ format: "jwk" }) };
  const claims = { jti: randomUUID(), htm: "GET", htu: `${url}/api/new`, iat: 0, nonce };
  const text = `${coded(header)}.${coded(claims)}`;
  const DPoP = `${text}.${sign(undefined, Buffer.from(text), privateKey).toString("base64url")}`;
  const answer = await fetch(`${url}/api/new?nickname=Ann&stage=${stage}`, { headers: { DPoP } });
  assert.equal(answer.status, 200);
  return (await answer.json()).token;
}

/** Completes three jobs at both stages, keeps the receipts, and lets a fourth one fail permanently. */
async function work(url) {
  const key = generateKeyPairSync("ed25519");
  for (const stage of ["a", "b"]) {
    const token = await register(url, stage, key);
    for (let job = 0; job < 3; job++) {
      assert.equal((await fetch(`${url}/api/newJob`, json({ token }))).status, 200);
      const done = json({ token, data: '<!json!>{"score":null}' });
      assert.equal((await fetch(`${url}/api/completeJob`, done)).status, 200);
    }
    const headers = { authorization: `Bearer ${token}` };
    const { receipts } = await (await fetch(`${url}/api/receipts`, { headers })).json();
    assert.equal(receipts.length, stage === "a" ? 3 : 6);
    writeFileSync(join(folder, "receipts.txt"), receipts.map((one) => `${one}\n`).join(""));
    if (stage === "a") {
      await fetch(`${url}/api/newJob`, json({ token }));
      await fetch(`${url}/api/flagInvalidData`, json({ token }));
    }
    await fetch(`${url}/api/bye`, json({ token }));
  }
}

/** Replacements for the paths, ports and users in the guide's configuration that a test cannot use. */
function machine(port) {
  const bin = join(folder, "bin");
  const env = operatorEnv({ DISTCOMPUTE_DATABASE: "" });
  for (const name of Object.keys(env)) if (name.startsWith("DISTCOMPUTE_")) delete env[name];
  const { PATH } = env;
  return {
    env: { ...env, PATH: `${bin}:${PATH}`, HOME: folder },
    adapt: (text) => text.replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`),
  };
}

test("every block of the guide is run, or has a reason not to be", () => {
  for (const { kind, note, line } of blocks()) {
    if (kind !== "sh" && kind !== "sql") continue;
    const known = notes.includes(note) || /^not run: .{10}/.test(note);
    assert.ok(known, `line ${line}: "${note}" does not say how it is run`);
  }
  const run = blocks().filter(({ kind, note }) => kind === "sh" && !note.startsWith("not run"));
  assert.ok(run.length >= 12, `${run.length} blocks are run`);
});

test("every command of the guide works in the order of the guide", async () => {
  const port = await freePort();
  const { env, adapt } = machine(port);
  const program = await testTracker();
  mkdirSync(join(folder, "bin"));
  copyFileSync(program, join(folder, "bin", "distcompute-tracker"));
  copyFileSync(program, join(folder, "distcompute-tracker-new"));
  writeFileSync(
    join(folder, "tracker.toml"),
    `listen = "127.0.0.1:${port}"\ninvalid_after = 1\n[stages]\na = "One"\nb = "Two"\n`,
  );
  writeFileSync(join(folder, "more.jsonl"), '"one"\n{"two": 2}\n["three"]\n"four"\n');
  const options = { cwd: folder, env };
  let tracker;
  let worked = false;
  const start = async (text) => {
    const [command, ...args] = adapt(text).trim().split(/\s+/);
    const path = join(folder, "bin", command);
    tracker = await serve(path, args, { ...options, ready: listeningOn });
  };
  let started;
  try {
    for (const { kind, text, note, line } of blocks()) {
      if (kind !== "sh" || note.startsWith("not run") || note === "on PostgreSQL") continue;
      if (note === "in the background") {
        started = text;
        await start(text);
        continue;
      }
      // The first block that exports results needs some.
      if (tracker && !worked && text.includes("export")) {
        await must("bash", ["-ec", "distcompute-tracker import --jsonl more.jsonl"], options);
        await work(tracker.found);
        worked = true;
      }
      const stopped = note === "with the tracker stopped";
      if (stopped) await tracker?.stop();
      const done = await run("bash", ["-euo", "pipefail", "-c", adapt(text)], options);
      assert.equal(done.code, 0, `line ${line} of the guide: ${text}\n${done.output}`);
      if (text.includes("vacuum") || stopped) assert.doesNotMatch(done.stderr, /error/i);
      if (stopped && started) await start(started);
      const ready = tracker && (await fetch(`${tracker.found}/readyz`));
      if (ready) assert.equal(await ready.text(), "ready", `after line ${line}`);
    }
    assert.ok(worked, "the guide exports something");
    const results = readFileSync(join(folder, "results.jsonl"), "utf8").trim().split("\n");
    assert.equal(results.length, 3);
    const verify = ["receipts", "verify", "--database", "sqlite:jobs.db", "changed.txt"];
    const receipts = readFileSync(join(folder, "receipts.txt"), "utf8");
    writeFileSync(join(folder, "changed.txt"), receipts.replaceAll("W", "V"));
    const changed = await run(program, verify, options);
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /6 of 6 receipts are wrong/);
    for (const copy of ["backup.db", "moved.db"]) {
      assert.ok(existsSync(join(folder, copy)), copy);
      const flags = ["audit", "--database", `sqlite:${copy}`];
      assert.match((await must(program, flags, options)).stdout, /import/);
    }
  } finally {
    await tracker?.stop();
  }
});

test("the commands for PostgreSQL work", async () => {
  const postgres = await startPostgres();
  try {
    const server = new URL(postgres.url);
    const psql = (text) =>
      must("psql", [postgres.url, "-v", "ON_ERROR_STOP=1", "-c", text], options);
    const programs = binCandidates().find((bin) => existsSync(join(bin, "pg_dump")));
    const { env } = machine(0);
    const options = {
      cwd: folder,
      env: {
        ...env,
        PATH: `${programs}:${env.PATH}`,
        PGHOST: server.hostname,
        PGPORT: server.port,
        PGUSER: server.username,
      },
    };
    const adapt = (text) => text.replaceAll("127.0.0.1/", `127.0.0.1:${server.port}/`);
    const all = blocks().filter(({ note }) => note === "on PostgreSQL");
    const sql = all.filter(({ kind }) => kind === "sql");
    const sh = all.filter(({ kind }) => kind === "sh");
    assert.ok(sql.length > 0 && sh.length > 0);
    for (const { text } of sql) {
      for (const statement of text.split(";").filter((part) => part.trim())) await psql(statement);
    }
    const database = `postgres://distcompute:secret@127.0.0.1:${server.port}/distcompute`;
    const imported = ["import", "--database", database, "--brace", "{1..9}"];
    await must(await testTracker(), imported, options);
    for (const { text, line } of sh) {
      const done = await run("bash", ["-euo", "pipefail", "-c", adapt(text)], options);
      assert.equal(done.code, 0, `line ${line} of the guide: ${text}\n${done.output}`);
    }
    const restored = database.replace(/distcompute$/, "restored");
    const audit = await must(await testTracker(), ["audit", "--database", restored], options);
    assert.match(audit.stdout, /numbers 1 to 9 were imported/);
  } finally {
    await postgres.stop();
  }
});

test("the configurations of other programs are valid", async () => {
  const { env } = machine(0);
  const found = (kind) => blocks().filter((block) => block.kind === kind);
  const [log] = found("logrotate");
  const file = join(folder, "logrotate.conf");
  const own = join(folder, "tracker.log");
  writeFileSync(own, "a line\n");
  writeFileSync(file, log.text.replace("/var/log/distcompute/tracker.log", own));
  chmodSync(file, 0o644);
  chmodSync(folder, 0o755);
  const state = join(folder, "logrotate.state");
  await must("logrotate", ["--force", "--state", state, file], { env });
  assert.equal(readFileSync(own, "utf8"), "", "the file that is open is the one that was emptied");
  const [prometheus] = found("yaml");
  const dir = mkdtempSync(join(folder, "prometheus-"));
  const rules = "distcompute.rules.yml";
  symlinkSync(join(root, "docs", "prometheus", rules), join(dir, rules));
  const token = join(dir, "token");
  writeFileSync(token, "x");
  writeFileSync(
    join(dir, "prometheus.yml"),
    prometheus.text.replace("/etc/prometheus/distcompute-token", token),
  );
  await must("promtool", ["check", "config", "prometheus.yml"], { cwd: dir, env });
});
