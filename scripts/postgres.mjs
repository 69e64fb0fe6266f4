// A PostgreSQL for tests and benchmarks: finds or installs it, creates a cluster in a temporary folder
// which listens on a free port of the loopback interface, and deletes it afterwards.
// `node scripts/postgres.mjs` runs one until Ctrl-C, for manual experiments.

import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { aptInstall, aptRemedy, canInstall, isRoot } from "./debian.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { which } from "./places.mjs";
import { freePort } from "./port.mjs";
import { answer, must, serve } from "./process.mjs";

const packages = ["postgresql"];
const why = "The PostgreSQL store is tested on a real one.";
const remedy =
  `${aptRemedy(packages)}; elsewhere install PostgreSQL 14 or later and put its initdb on PATH, ` +
  "or name the folder of its programs in the environment variable DISTCOMPUTE_POSTGRES_BIN";

/** The user that Debian's package creates; PostgreSQL refuses to run as root. */
const owner = "postgres";

/** The first port that is tried, far from PostgreSQL's default. */
const firstPort = 54_320;

/** Debian installs the programs outside PATH, in one folder per version. */
const debianFolder = "/usr/lib/postgresql";

/** Possible folders of `initdb` and the other programs, in order of preference. */
export function binCandidates(env = process.env, folder = debianFolder) {
  if (env.DISTCOMPUTE_POSTGRES_BIN) return [env.DISTCOMPUTE_POSTGRES_BIN];
  const versions = existsSync(folder) ? readdirSync(folder).sort((a, b) => b - a) : [];
  const onPath = which("initdb", env);
  return [
    ...versions.map((version) => join(folder, version, "bin")),
    ...(onPath ? [dirname(onPath)] : []),
  ];
}

const complete = (folder) => ["initdb", "postgres"].every((name) => existsSync(join(folder, name)));

/** Makes sure that PostgreSQL is installed, and resolves to the folder of its programs. */
export async function ensurePostgres() {
  const find = () => binCandidates().find(complete);
  let found = find();
  if (!found && canInstall() && !process.env.DISTCOMPUTE_POSTGRES_BIN) {
    await aptInstall(packages, why);
    found = find();
  }
  if (found) return found;
  throw new Failure("PostgreSQL was not found on this machine.", { why, remedy });
}

/**
 * How to start PostgreSQL's programs: if this process is root, they run as another user.
 *
 * @returns {Promise<{ wrap: (program: string, args: string[]) => [string, string[]],
 *   own: (folder: string) => void }>}
 */
export async function unprivileged() {
  if (!isRoot()) return { wrap: (program, args) => [program, args], own: () => {} };
  const [uid, gid] = await Promise.all(["-u", "-g"].map((flag) => answer("id", [flag, owner])));
  if (uid === undefined || gid === undefined) {
    throw new Failure(`There is no user ${owner}, and PostgreSQL does not run as root.`, {
      why,
      remedy: `adduser --system --group ${owner}, or run this as another user than root`,
    });
  }
  const identity = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  return {
    wrap: (program, args) => ["setpriv", [...identity, program, ...args]],
    own: (folder) => chownSync(folder, Number(uid), Number(gid)),
  };
}

/**
 * Starts a new cluster. `url` is the address of an empty database, which any user of this machine may
 * use. `halt` ends the server without a shutdown, as a crash would; `resume` starts it again on the
 * same port; `stop` ends it and deletes its data.
 *
 * @param {{ bin?: string, settings?: string[] }} [wanted] settings as `name=value`
 */
export async function startPostgres({ bin, settings = [] } = {}) {
  const programs = bin ?? (await ensurePostgres());
  const { wrap, own } = await unprivileged();
  const folder = mkdtempSync(join(tmpdir(), "distcompute-postgres-"));
  own(folder);
  chmodSync(folder, 0o700);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const data = join(folder, "data");
  const options = { cwd: folder };
  const initdb = ["--pgdata", data, "--username", owner, "--auth", "trust"];
  const made = ["--encoding", "UTF8", "--locale", "C", "--no-sync"];
  let server;
  try {
    await must(...wrap(join(programs, "initdb"), [...initdb, ...made]), { ...options, why });
    const port = await freePort(firstPort + Math.floor(Math.random() * 1_000), "127.0.0.1");
    const given = ["listen_addresses=127.0.0.1", `port=${port}`, `unix_socket_directories=`];
    const flags = [...given, ...settings].flatMap((setting) => ["-c", setting]);
    const start = () =>
      serve(...wrap(join(programs, "postgres"), ["-D", data, ...flags]), {
        ...options,
        ready: (line) => line.includes("database system is ready to accept connections"),
        says: "stderr",
      });
    server = await start();
    const control = (...args) =>
      must(...wrap(join(programs, "pg_ctl"), [...args, "--pgdata", data]), options);
    const halt = async () => {
      await control("stop", "--mode", "immediate");
      await server.exited;
    };
    return {
      url: `postgres://${owner}@127.0.0.1:${port}/postgres`,
      halt,
      resume: async () => void (server = await start()),
      stop: async () => {
        if (server) await halt().catch(() => server.stop());
        remove();
      },
    };
  } catch (error) {
    await server?.stop();
    remove();
    throw error;
  }
}

/**
 * Calls `work` with a cluster that is stopped when the returned promise settles.
 *
 * @template T
 * @param {string} bin
 * @param {(postgres: Awaited<ReturnType<typeof startPostgres>>) => Promise<T>} work
 * @param {string[]} [settings] as `name=value`
 */
export async function withPostgres(bin, work, settings) {
  const postgres = await startPostgres({ bin, settings });
  try {
    return await work(postgres);
  } finally {
    await postgres.stop();
  }
}

async function main(settings) {
  const postgres = await startPostgres({ settings });
  console.log(postgres.url);
  const until = new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, resolve);
  });
  const alive = setInterval(() => {}, 60_000);
  await until;
  clearInterval(alive);
  await postgres.stop();
}

if (isMain(import.meta.url)) await runMain(main);
