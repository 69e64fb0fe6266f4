// `npm run bench -- NAME`: finds the benchmark of that name in bench/ and runs it.

import { Failure, isMain, runMain } from "./failure.mjs";
import { endOnSignals } from "./process.mjs";

/** The modules of the benchmarks. Each exports its `usage` and `main(args)`. */
const benchmarks = {
  checked: "../bench/checked.mjs",
  client: "../bench/client.mjs",
  command: "../bench/command.mjs",
  crawl: "../bench/crawl.mjs",
  files: "../bench/files.mjs",
  grown: "../bench/grown.mjs",
  hostile: "../bench/hostile.mjs",
  lines: "../bench/lines.mjs",
  scale: "../bench/scale.mjs",
  size: "../bench/size.mjs",
  tracker: "../bench/tracker.mjs",
  trust: "../bench/trust.mjs",
};

const usage = `npm run bench -- NAME [options]

  checked   how fast a store takes results in that are checked, and syncs while others are reverted
  client    how much of a browser's cores goes into jobs, by the engine and by loops of one's own
  command   how much of a core distcompute work and map give to a function, and the memory of map
  crawl     the stages of the crawl example in each engine, and a large archive through two browsers
  files     how fast a browser fetches and uploads files of jobs beside curl, and how fast addresses are signed
  grown     what calls and pages cost with a million registrations, names, flags and avoided jobs
  hostile   what honest volunteers get of a tracker while it is attacked, on each store
  lines     which share of a line jobs of every size get, down and up, on slow and lossy lines
  scale     how many requests a tracker gets of a million volunteers, on paper
  size      whether ten million jobs are as fast as a million, and what further trackers cost
  tracker   how many jobs a second the tracker hands out and takes back, on each store
  trust     how many wrong results of liars count, and what finding the others costs, on paper

npm run bench -- NAME --help lists the options of a benchmark.`;

async function main([name, ...args]) {
  if (name === undefined || name === "--help") return console.log(usage);
  const module = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
  if (!module) throw new Failure(`There is no benchmark ${name}.`, { remedy: usage });
  endOnSignals();
  const benchmark = await import(module);
  if (args.includes("--help")) return console.log(benchmark.usage);
  await benchmark.main(args);
}

if (isMain(import.meta.url)) await runMain(main);
