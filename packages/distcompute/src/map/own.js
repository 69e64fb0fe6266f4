// The tracker that `distcompute map` starts for itself, with the folder of the run.

import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { renderUnicodeCompact } from "uqr";

import { isLoopback } from "../address.js";
import { Failure } from "../failure.js";
import { isAlive, writeWhole } from "../folder.js";
import { Operator, startTracker } from "../tracker.js";

/**
 * The tracker of a run.
 *
 * @typedef {object} Tracker
 * @property {string} url its address for this machine
 * @property {Operator} operator
 * @property {string} [joinKey]
 * @property {Promise<unknown>} died rejects when it ends by itself
 * @property {(print: (line: string) => void) => void | Promise<void>} announce prints where volunteers can join
 * @property {() => Promise<void>} stop
 */

/**
 * @param {object} run
 * @param {import("./options.js").Options} run.options
 * @param {import("./state.js").State} run.state
 * @param {string[]} run.stages
 * @returns {Promise<Tracker>}
 */
export async function startOwn({ options, state, stages }) {
  // Whoever is on this machine needs no key.
  const joinKey = isLoopback(options.listen.host) ? undefined : state.joinKey;
  const name = `distcompute map ${options.module.split(/[/\\]/).at(-1)}`;
  const tracker = await startTracker({
    listen: options.listen,
    // Names within the folder, whose own name may be one that options do not take.
    folder: state.folder,
    args: [
      ...["--database", `sqlite:${state.name("database")}`, "--project", name],
      ...stages.flatMap((letter) => ["--stage", `${letter}=${letter.toUpperCase()}`]),
      ...["--max-attempts", String(options.attempts), "--pause-after", "0", "--lease-s", "60"],
      "--slow-failing=false",
      ...["--admin-token-file", state.name("token"), "--log", "warn"],
      ...(joinKey === undefined ? [] : ["--join-key-file", state.name("joinKey")]),
      ...["--files", `/volunteer=${state.name("page")}`, "--volunteer-page", "/volunteer/"],
    ],
  });
  writeWhole(state.path("tracker"), JSON.stringify({ pid: tracker.pid, url: tracker.localUrl }));
  return {
    url: tracker.localUrl,
    operator: new Operator(tracker.localUrl, state.token),
    joinKey,
    died: tracker.died,
    announce: (print) => announce(tracker.url, joinKey, print),
    stop: () => tracker.stop(),
  };
}

/**
 * Ends the tracker of a run that was killed: it still has the database open.
 *
 * @param {import("./state.js").State} state
 */
export async function endFormerTracker(state) {
  const file = state.path("tracker");
  if (!existsSync(file)) return;
  const { pid, url } = JSON.parse(readFileSync(file, "utf8"));
  if (!isAlive(pid)) return;
  try {
    // Another program may have this process id by now; only our tracker accepts the token.
    await new Operator(url, state.token).setAside(1);
  } catch {
    return;
  }
  process.kill(pid, "SIGTERM");
  for (let waited = 0; isAlive(pid) && waited < 10_000; waited += 50) await sleep(50);
  if (isAlive(pid))
    throw new Failure(`The tracker of the run before, process ${pid}, does not end.`);
}

/**
 * @param {string} url
 * @param {string | undefined} joinKey
 * @param {(line: string) => void} print
 */
function announce(url, joinKey, print) {
  const { hostname, port } = new URL(url);
  const isEverywhere = hostname === "0.0.0.0" || hostname === "[::]";
  const origins = isEverywhere ? networkAddresses(port) : [url];
  // In the fragment, which browsers send to nobody.
  const key = joinKey === undefined ? "" : `#key=${joinKey}`;
  const addresses = origins.map((origin) => `${origin}/volunteer/${key}`);
  if (addresses.length === 0) print("This machine has no address in a network.");
  for (const address of addresses) print(`Volunteers: ${address}`);
  if (joinKey === undefined || !addresses[0]) return;
  if (process.stderr.isTTY) print(renderUnicodeCompact(addresses[0]));
  print(
    "Whoever has this address and is in your network can join. Without https, browsers give each tab a " +
      "place of its own, and they do not keep the screen on.",
  );
}

function networkAddresses(port) {
  return Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => `http://${address}:${port}`);
}
