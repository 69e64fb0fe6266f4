// `npm start`: starts a tracker with a volunteer page from a fresh checkout. Installs missing tools,
// builds everything, imports the sample's jobs on the first run, and serves until Ctrl-C. The
// end-to-end tests call `start` too.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { networkInterfaces } from "node:os";

import { buildKernel, buildPage, buildTracker } from "./build.mjs";
import { prepareCrawl } from "./start-crawl.mjs";
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
  --reset         throw the results so far away and begin again
  --example crawl [FOLDER]
                  instead of the poster, make a data set from the web archives (.warc, .warc.gz, .arc,
                  .arc.gz) in FOLDER, or from some that are made for it
  --help          this text`;

const description =
  "Volunteers paint a poster of the Mandelbrot set together: each browser computes tiles of it, " +
  "and others check them.";

/** The options of `start` with their defaults. */
const defaults = {
  /** Which project: the poster or the crawl. @type {"poster" | "crawl"} */
  example: "poster",
  /** The folder with web archives of the crawl; without it, archives are made. @type {string | undefined} */
  archives: undefined,
  /** Path of the sample's parameter file. */
  poster: join(root, "examples", "mandelbrot", "poster.json"),
  /** The folder with the database and the parameters from which its jobs were made. */
  dataDir: join(root, ".data"),
  host: "127.0.0.1",
  /** 0 lets the system choose. */
  port: 8080,
  /** Whether to delete the contents of dataDir. */
  reset: false,
  /** The number of distinct volunteers who must flag a tile before it is rendered again. */
  invalidAfter: 2,
  /** Additional command-line arguments for the tracker. */
  extraArgs: [],
  /** Receives messages for the user. */
  print: console.log,
  /** Receives the lines of the tracker's log. */
  onLog: (line) => console.error(line),
};

/**
 * Sets up the tools, builds, imports the jobs, and starts the tracker.
 *
 * @param {Partial<typeof defaults>} [options]
 * @returns {Promise<{ url: string, volunteerUrl: string, dashboardUrl: string,
 *   stop: () => Promise<number>, exited: Promise<number> }>}
 */
export async function start(options = {}) {
  const wanted = { ...defaults, ...options };
  await ensureBuildTools();
  const panelDir = await buildPage();
  const programs = await buildTracker();
  if (wanted.example === "crawl") {
    return await startTracker(wanted, programs, await prepareCrawl(wanted, programs, panelDir));
  }
  const kernelDir = await buildKernel();
  const data = await importJobs(wanted, programs);
  return await startTracker(
    wanted,
    programs,
    posterArguments(wanted, { panelDir, kernelDir, ...data }),
  );
}

function dataPlaces({ dataDir }) {
  return {
    database: join(dataDir, "poster.db"),
    jobs: join(dataDir, "jobs.jsonl"),
    /** Served to the page, so that it uses the same parameters as the jobs in the database. */
    served: join(dataDir, "poster"),
    imported: join(dataDir, "poster", "poster.json"),
    /** A marker that exists during the import, so that a partial database is not served. */
    unfinished: join(dataDir, "unfinished"),
  };
}

/**
 * Imports the jobs, unless an earlier run has. Resolves to the paths of the files.
 *
 * @param {typeof defaults} wanted
 * @param {Record<string, string>} programs
 */
export async function importJobs(wanted, programs) {
  const { poster, reset = false, print } = wanted;
  const places = dataPlaces(wanted);
  const { database, imported, unfinished } = places;
  if (!existsSync(poster)) {
    throw new Failure(`There is no parameter file ${relative(root, poster)}.`, {
      why: "It describes the picture to paint.",
      remedy: "git checkout examples/mandelbrot/poster.json",
    });
  }
  if (reset && existsSync(database)) print("Starting over: the picture so far is deleted.");
  if (reset || existsSync(unfinished)) removeData(places);
  if (existsSync(database) && existsSync(imported)) {
    warnIfChanged(wanted, imported);
    return places;
  }
  if (existsSync(database)) {
    throw new Failure(`${relative(root, database)} was not made by npm start.`, {
      why: "The parameters of its jobs are missing from the folder.",
      remedy: "delete it and start over with npm start -- --reset",
    });
  }
  await fill(wanted, places, programs);
  return places;
}

function removeData({ database, served, jobs }) {
  // SQLite keeps its write-ahead log beside the database.
  const files = [database, `${database}-wal`, `${database}-shm`, jobs, served];
  for (const file of files) rmSync(file, { recursive: true, force: true });
}

function warnIfChanged({ poster, print }, imported) {
  if (readFileSync(poster, "utf8") === readFileSync(imported, "utf8")) return;
  print(`${relative(root, poster)} has changed since its jobs were imported.`);
  print("The earlier picture is continued. To paint the new one instead and delete the");
  print("earlier one: npm start -- --reset");
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

function posterArguments(wanted, { database, served, panelDir, kernelDir }) {
  const files = {
    "/volunteer": join(root, "www"),
    "/volunteer/pkg": panelDir,
    "/volunteer/kernel": kernelDir,
    "/volunteer/poster": served,
  };
  return [
    ...["--database", `sqlite:${database}`],
    ...["--project", "Mandelbrot poster", "--description", description],
    ...["--stage", "a=Render", "--stage", "b=Check"],
    ...Object.entries(files).flatMap(([path, folder]) => ["--files", `${path}=${folder}`]),
    ...["--volunteer-page", "/volunteer/", "--preview", "/volunteer/picture.html"],
  ];
}

async function startTracker(wanted, programs, projectArgs) {
  const { host, onLog } = wanted;
  const port = await freePort(wanted.port, host);
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const args = [
    ...["serve", "--listen", address, ...projectArgs, "--public-results"],
    ...["--invalid-after", String(wanted.invalidAfter), ...wanted.extraArgs],
  ];
  const { found, stop, exited } = await serve(programs["distcompute-tracker"], args, {
    ready: listeningOn,
    remedy: "if npm start is already running, use the addresses that it printed, or end it first",
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

/** Parses the address in the tracker's first line, without a trailing slash. */
export function listeningOn(line) {
  return /^listening on (https?:\/\/\S+?)\/?$/.exec(line)?.[1];
}

/** The URLs of a server; if it listens on all interfaces, one for each address of this machine. */
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
    else if (flag === "--example" && rest[0] === "crawl") {
      options.example = rest.shift();
      if (rest[0] && !rest[0].startsWith("-")) options.archives = resolve(rest.shift());
    } else if (flag === "--listen" && rest[0]) options.host = rest.shift();
    else if (flag === "--port" && isPort(rest[0])) options.port = Number(rest.shift());
    else throw new Failure(`Invalid option: ${[flag, ...rest].join(" ")}`, { remedy: usage });
  }
  return options;
}

function isPort(text) {
  return /^\d+$/.test(text ?? "") && Number(text) <= 65_535;
}

function sayAddresses({ url }, port) {
  const urls = reachableUrls(url);
  const taken = port !== 0 && new URL(url).port !== String(port);
  if (taken) console.log(`Port ${port} is in use; using the next free one.`);
  console.log("\n  Volunteer page: open it and press Start");
  for (const one of urls) console.log(`    ${one}/volunteer/`);
  console.log("  Dashboard");
  for (const one of urls) console.log(`    ${one}/`);
  console.log("\n  Press Ctrl-C to stop. The results so far are kept.\n");
}

/** Resolves when the tracker has been stopped with Ctrl-C, and rejects if it ends by itself. */
function untilEnd({ stop, exited }) {
  let stopping = false;
  const end = () => {
    // Ctrl-C can arrive twice, from the terminal and from npm.
    if (stopping) return;
    stopping = true;
    console.log("\nStopping: the tracker is finishing its open requests.");
    stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
  return exited.then((code) => {
    if (stopping && code === 0) return console.log("Stopped.");
    throw new Failure(`The tracker ended with exit code ${code}.`, {
      why: "Its messages above explain why.",
      remedy: "fix the cause and run npm start again; it continues where it stopped",
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
