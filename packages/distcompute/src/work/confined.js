// The process that computes. It is started with few permissions, and asks the one that started it for the
// worker script.

import { pathToFileURL } from "node:url";

import { clearCaches } from "../threads/caches.js";
import { Cores } from "../threads/cores.js";
import { Worker } from "../threads/worker.js";
import { pairOf } from "./key.js";

/** How often the status is sent, in milliseconds. */
const everyMs = 250;

/** How long giving jobs back may take, in milliseconds. */
const goodbyeMs = 1_000;

// Where there are no locks between tabs, a tab keeps its jobs under a name that it has here. The folder is only ours,
// so that none is needed, and the next process finds them.
Object.defineProperty(globalThis, "sessionStorage", {
  value: { getItem: () => "", setItem() {}, removeItem() {} },
});

const send = (message) => process.send?.(message);

/** @type {Map<number, { resolve: (path: string) => void, reject: (error: Error) => void }>} */
const asked = new Map();
let questions = 0;

/** Resolves to the address of the script's file. */
function script() {
  questions += 1;
  const id = questions;
  send({ t: "script", id });
  return new Promise((resolve, reject) => asked.set(id, { resolve, reject })).then((path) =>
    pathToFileURL(path),
  );
}

/** @type {Cores | undefined} */
let cores;

const handlers = {
  /** @param {any} message */
  async start({ location, storage, files, key, ...wanted }) {
    clearCaches(files);
    const keys = await pairOf(key);
    cores = await Cores.start({
      ...wanted,
      spawn: () => new Worker(script(), { location, storage, files, keys, confined: true }),
    });
    setInterval(() => cores && send({ t: "status", status: shown(cores.status) }), everyMs);
  },
  script({ id, path, message }) {
    const question = asked.get(id);
    asked.delete(id);
    if (path === undefined) question?.reject(new Error(message));
    else question?.resolve(path);
  },
  async finish() {
    await cores?.finish();
    end();
  },
  async stop() {
    setTimeout(end, goodbyeMs);
    await cores?.stop();
    end();
  },
};

/** The status without what nobody shows. @param {import("../threads/cores.js").Status} status */
function shown({ state, reason, error, lastError, jobsDone, jobsFailed, cores, project }) {
  const working = cores.filter(({ state }) => state === "working").length;
  return { state, reason, error, lastError, jobsDone, jobsFailed, working, project };
}

function end() {
  if (cores) send({ t: "status", status: shown(cores.status) });
  // What was sent must arrive.
  process.send?.({ t: "ended" }, () => process.exit(0));
}

process.on("message", (/** @type {any} */ message) => {
  Promise.resolve(handlers[message.t]?.(message)).catch((error) => {
    console.error(error);
    process.exit(1);
  });
});
// The one that started it is gone.
process.on("disconnect", () => process.exit(1));
// A terminal and a service manager signal the whole group; the other process passes on what they want.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => {});
