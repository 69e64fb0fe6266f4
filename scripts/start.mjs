// `npm start`: from a fresh checkout to a tracker with a volunteer page. Sets up what is missing,
// builds, imports the sample's jobs once, and serves until Ctrl-C. The end-to-end tests call
// `start`, so what they test is this path.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { networkInterfaces } from "node:os";

import { buildKernel, buildPackage, buildTracker } from "./build.mjs";
import { Failure, isMain, runMain } from "./failure.mjs";
import { root } from "./places.mjs";
import { freePort } from "./port.mjs";
import { endOnSignals, must, serve } from "./process.mjs";
import { progress } from "./progress.mjs";
import { ensureBuildTools } from "./tools.mjs";

const usage = `npm start [-- options]

Builds the sample project and serves it: a tracker, its dashboard and a volunteer page.

  --port N        the port to listen on (default 8080; the next free one if it is taken)
  --listen HOST   the address to listen on (default 127.0.0.1, which is this machine alone;
                  0.0.0.0 lets other machines of the network join in)
  --reset         throw the painted picture away and begin again
  --help          this text`;

const description =
  "Volunteers paint a poster of the Mandelbrot set together: each browser computes tiles of it, " +
  "and others check them.";

/** All that `npm start` may be told, with what it does when it is told nothing. */
const defaults = {
  /** The sample's parameter file. */
  poster: join(root, "examples", "mandelbrot", "poster.json"),
  /** Where the database and the parameters that it was made from are kept. */
  dataDir: join(root, ".data"),
  host: "127.0.0.1",
  /** 0 lets the system choose. */
  port: 8080,
  /** Whether to throw away what dataDir holds. */
  reset: false,
  /** Flags by distinct volunteers that send a tile back to be painted again. */
  invalidAfter: 2,
  /** Further flags for the tracker. */
  extraArgs: [],
  /** Gets each line that a person shall read. */
  say: console.log,
  /** Gets each line that the tracker logs. */
  onLog: (line) => console.error(line),
};

/**
 * Everything from the tools to a tracker that answers.
 *
 * @param {Partial<typeof defaults>} [options]
 * @returns {Promise<{ url: string, volunteerUrl: string, dashboardUrl: string,
 *   stop: () => Promise<number>, exited: Promise<number> }>}
 */
export async function start(options = {}) {
  const wanted = { ...defaults, ...options };
  await ensureBuildTools();
  const packageDir = await buildPackage();
  const kernelDir = await buildKernel();
  const programs = await buildTracker();
  const data = await importJobs(wanted, programs);
  return await startTracker(wanted, programs, { packageDir, kernelDir, ...data });
}

function dataPlaces({ dataDir }) {
  return {
    database: join(dataDir, "poster.db"),
    jobs: join(dataDir, "jobs.jsonl"),
    /** Served to the page, so the page always sees the parameters that the jobs were made from. */
    served: join(dataDir, "poster"),
    imported: join(dataDir, "poster", "poster.json"),
    /** There while jobs go in: a database that was left half filled is not served. */
    unfinished: join(dataDir, "unfinished"),
  };
}

/**
 * Fills the database, unless an earlier run has. Resolves to where things are.
 *
 * @param {typeof defaults} wanted
 * @param {Record<string, string>} programs
 */
export async function importJobs(wanted, programs) {
  const { poster, reset = false, say } = wanted;
  const places = dataPlaces(wanted);
  const { database, imported, unfinished } = places;
  if (!existsSync(poster)) {
    throw new Failure(`There is no parameter file ${relative(root, poster)}.`, {
      why: "It says which picture is painted.",
      remedy: "git checkout examples/mandelbrot/poster.json",
    });
  }
  if (reset && existsSync(database)) say("Beginning again: the picture painted so far is deleted.");
  if (reset || existsSync(unfinished)) removeData(places);
  if (existsSync(database) && existsSync(imported)) {
    sayIfChanged(wanted, imported);
    return places;
  }
  if (existsSync(database)) {
    throw new Failure(`${relative(root, database)} was not made by npm start.`, {
      why: "The parameters that it was made from are missing beside it.",
      remedy: "npm start -- --reset deletes it and begins again",
    });
  }
  await fill(wanted, places, programs);
  return places;
}

function removeData({ database, served, jobs }) {
  // SQLite keeps its journal beside the database.
  const files = [database, `${database}-wal`, `${database}-shm`, jobs, served];
  for (const file of files) rmSync(file, { recursive: true, force: true });
}

function sayIfChanged({ poster, say }, imported) {
  if (readFileSync(poster, "utf8") === readFileSync(imported, "utf8")) return;
  say(`${relative(root, poster)} has changed since its jobs were imported.`);
  say("The earlier picture goes on being painted. To paint the new one instead, and throw the");
  say("earlier one away: npm start -- --reset");
}

async function fill({ poster, dataDir }, places, { poster: generator, ...programs }) {
  mkdirSync(places.served, { recursive: true });
  writeFileSync(places.unfinished, "The import below this folder did not end yet.\n");
  await progress({ what: "importing the sample's jobs", about: "a second" }, async () => {
    const why = `The jobs are made from ${relative(root, poster)}.`;
    const { stdout } = await must(generator, ["jobs", poster], { why });
    writeFileSync(places.jobs, stdout);
    await must(programs["distcompute-tracker"], [
      ...["import", "--database", `sqlite:${places.database}`],
      ...["--jsonl", places.jobs],
    ]);
  });
  copyFileSync(poster, places.imported);
  rmSync(places.jobs);
  rmSync(places.unfinished);
}

function trackerArguments(wanted, address, { database, served, packageDir, kernelDir }) {
  const files = {
    "/volunteer": join(root, "www"),
    "/volunteer/pkg": packageDir,
    "/volunteer/kernel": kernelDir,
    "/volunteer/poster": served,
  };
  return [
    ...["serve", "--listen", address, "--database", `sqlite:${database}`],
    ...["--project", "Mandelbrot poster", "--description", description],
    ...["--stage", "a=Render", "--stage", "b=Check"],
    ...["--invalid-after", String(wanted.invalidAfter)],
    ...Object.entries(files).flatMap(([path, folder]) => ["--files", `${path}=${folder}`]),
    ...["--volunteer-page", "/volunteer/", "--preview", "/volunteer/picture.html"],
    "--public-results",
    ...wanted.extraArgs,
  ];
}

async function startTracker(wanted, programs, places) {
  const { host, onLog } = wanted;
  const port = await freePort(wanted.port, host);
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const args = trackerArguments(wanted, address, places);
  const { found, stop, exited } = await serve(programs["distcompute-tracker"], args, {
    ready: listeningOn,
    remedy: "if npm start runs here already, use the addresses that it printed, or end it first",
    onLine: (line, from) => from === "stderr" && onLog(line),
  });
  return {
    url: found,
    volunteerUrl: `${found}/volunteer/`,
    dashboardUrl: `${found}/`,
    stop,
    exited,
  };
}

/** The address in the tracker's first line, without a slash at its end. */
export function listeningOn(line) {
  return /^listening on (https?:\/\/\S+?)\/?$/.exec(line)?.[1];
}

/** Addresses by which other machines reach a server that listens on all of this one's. */
export function reachableUrls(url, interfaces = networkInterfaces()) {
  const { hostname, port } = new URL(url);
  if (hostname !== "0.0.0.0" && hostname !== "[::]") return [url];
  const others = Object.values(interfaces)
    .flat()
    .filter((one) => one.family === "IPv4" && !one.internal)
    .map((one) => `http://${one.address}:${port}`);
  return [`http://127.0.0.1:${port}`, ...others];
}

/** @returns {Partial<typeof defaults> & { help?: boolean }} */
export function readArguments(args) {
  const options = {};
  const rest = [...args];
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === "--help") options.help = true;
    else if (flag === "--reset") options.reset = true;
    else if (flag === "--listen" && rest[0]) options.host = rest.shift();
    else if (flag === "--port" && isPort(rest[0])) options.port = Number(rest.shift());
    else throw new Failure(`Not understood: ${[flag, ...rest].join(" ")}`, { remedy: usage });
  }
  return options;
}

function isPort(text) {
  return /^\d+$/.test(text ?? "") && Number(text) <= 65_535;
}

function sayAddresses({ url }, port) {
  const urls = reachableUrls(url);
  const taken = port !== 0 && new URL(url).port !== String(port);
  if (taken) console.log(`Port ${port} is taken; this is the next free one.`);
  console.log("\n  Volunteer page: open it and press Start");
  for (const one of urls) console.log(`    ${one}/volunteer/`);
  console.log("  Dashboard");
  for (const one of urls) console.log(`    ${one}/`);
  console.log("\n  Ctrl-C ends it. What was painted is kept.\n");
}

/** Resolves to the exit code once the tracker has ended, by Ctrl-C or by itself. */
function untilEnd({ stop, exited }) {
  let stopping = false;
  const end = () => {
    // Ctrl-C may arrive twice, from the terminal and from npm; the tracker hears it once.
    if (stopping) return;
    stopping = true;
    console.log("\nEnding: the tracker finishes what it is answering.");
    stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
  return exited.then((code) => {
    if (stopping && code === 0) return console.log("Ended.");
    throw new Failure(`The tracker ended with exit code ${code}.`, {
      why: "Its messages above say why.",
      remedy: "npm start goes on where it stopped",
    });
  });
}

async function main(args) {
  const { help, ...options } = readArguments(args);
  if (help) return console.log(usage);
  const stopListening = endOnSignals();
  const running = await start(options);
  stopListening();
  const ended = untilEnd(running);
  sayAddresses(running, options.port ?? defaults.port);
  await ended;
}

if (isMain(import.meta.url)) await runMain(main);
