// `npm run build`: the npm package, the volunteer panel, the sample's kernel and the tracker. Cargo rebuilds only what has
// changed. wasm-opt does not, so a stamp records the hash of the inputs of each package.

import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { Failure, isMain, runMain } from "./failure.mjs";
import { carryClient, finishWeb } from "./npm-package.mjs";
import { buildPanel } from "./panel-package.mjs";
import { root, which } from "./places.mjs";
import { answer, endOnSignals, must } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";
import { hashOf, isStamped, writeStamp } from "./stamp.mjs";
import { ensureBuildTools, ensureWasmOpt } from "./tools.mjs";
import { makeWasmPackage } from "./wasm-package.mjs";

/** The scripts that make a package, which belong to its inputs. */
const makers = ["build", "npm-package", "wasm-package"].map((name) => `scripts/${name}.mjs`);

export const targets = ["web", "bundler", "nodejs"];

const usage = `npm run build [-- options]

Builds the npm package into pkg/, the volunteer panel, the sample's kernel and the tracker.

  --target NAME     the package for web (default), bundler or nodejs, and nothing else
  --out-dir FOLDER  where that package goes (default pkg)
  --help            this text`;

const published = join(root, "pkg");

/** Builds the npm package. Resolves to its folder. */
export async function buildPackage({ target = "web", outDir = published } = {}) {
  const folder = await wasmPackage({
    what: `the npm package (${target})`,
    crate: "distcompute-client",
    target,
    outDir,
    finish: finishes[target],
    inputs: ["src", "crates/engine", "crates/protocol", "Cargo.toml", "README.md"],
    about: "1 to 2 minutes the first time",
  });
  if (target === "web" && outDir === published) carryClient(folder, await buildPanel(folder));
  return folder;
}

/** Builds the volunteer panel with the client beside it, as pages load it. Resolves to its folder. */
export async function buildPage() {
  return await buildPanel(await buildPackage());
}

/** Builds the sample's kernel, which the workers of the volunteer page import. Resolves to its folder. */
export function buildKernel() {
  return wasmPackage({
    what: "the sample's kernel",
    crate: "mandelbrot",
    target: "web",
    outDir: join(root, "examples", "mandelbrot", "pkg"),
    inputs: ["examples/mandelbrot", "crates/protocol", "Cargo.toml"],
    about: "30 s the first time",
  });
}

/** Builds the kernels of the crawl example. Resolves to their folder. */
export function buildCrawl() {
  return wasmPackage({
    what: "the kernels of the crawl example",
    crate: "crawl",
    target: "web",
    outDir: join(root, "examples", "crawl", "pkg"),
    inputs: ["examples/crawl/src", "examples/crawl/Cargo.toml", "Cargo.toml"],
    about: "2 minutes the first time",
  });
}

/** Takes comments and long local names out of the scripts. */
async function shorten(folder) {
  const { transform } = await import("esbuild");
  for (const file of filesIn(folder, /\.js$/)) {
    const { code } = await transform(readFileSync(file, "utf8"), { minify: true, format: "esm" });
    writeFileSync(file, code);
  }
}

/** By target. Nobody downloads what Node.js runs, and its scripts are no modules. */
const finishes = { web: finishWeb, bundler: shorten };

function filesIn(folder, names) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => names.test(file))
    .map((file) => join(folder, file));
}

async function wasmPackage({ what, crate, target, outDir, inputs, about, finish }) {
  const hash = await inputHash([...inputs, ...makers, "package-lock.json"], [target]);
  // Not inside the package's folder, which is emptied by each build and packed by npm.
  const stamp = join(root, "target", "stamps", relative(root, outDir).replaceAll(/\W+/g, "-"));
  if (isStamped(stamp, hash) && existsSync(join(outDir, "package.json"))) return outDir;
  // An interrupted build must not leave the old stamp behind.
  rmSync(stamp, { force: true });
  await progress({ what: `building ${what}`, about }, (note) =>
    makeWasmPackage({ crate, target, outDir, onLine: cargoNotes(note) }),
  );
  await finish?.(outDir);
  writeStamp(stamp, hash);
  return outDir;
}

async function inputHash(inputs, words) {
  const files = [...inputs, "Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE"];
  const tools = [
    await answer("rustc", ["--version"]),
    await answer(which("wasm-bindgen"), ["--version"]),
    await ensureWasmOpt(),
  ];
  return hashOf(
    files.map((file) => join(root, file)),
    [...words, ...tools],
  );
}

/**
 * Builds programs of the workspace and resolves to their paths by name. The paths come from Cargo's
 * output, because CARGO_TARGET_DIR and configuration files can change them.
 *
 * @param {{ what: string, args: string[], about?: string }} wanted
 * @returns {Promise<Record<string, string>>}
 */
export function buildPrograms({ what, args, about }) {
  const call = ["build", "--message-format", "json-render-diagnostics", ...args];
  return progress({ what: `building ${what}`, about }, async (note) => {
    const { stdout } = await must("cargo", call, {
      blame: "stderr",
      onLine: cargoNotes(note),
      remedy: "see the compiler's messages above",
    });
    return executables(stdout);
  });
}

/** Returns the paths of the programs that Cargo's JSON messages name, by name. */
export function executables(messages) {
  const found = messages
    .split("\n")
    .filter((line) => line.includes('"executable":"'))
    .map((line) => JSON.parse(line))
    .map((message) => [message.target.name, message.executable]);
  return Object.fromEntries(found);
}

let servePrograms;

/** Builds the tracker, and the program that makes the sample's jobs. Asks Cargo once in each process. */
export function buildTracker() {
  servePrograms ??= buildPrograms({
    what: "the tracker",
    args: ["--profile", "serve", "-p", "distcompute-tracker", "-p", "mandelbrot", "--bins"],
    about: "3 minutes the first time",
  });
  return servePrograms;
}

/**
 * Builds the tracker with the stores of clouds. Resolves to its path.
 *
 * @param {{ profile?: "dev" | "serve" }} [wanted] `dev` is that of the tests, which have compiled it already
 */
export async function buildCloudTracker({ profile = "serve" } = {}) {
  const program = "distcompute-tracker";
  // With any test, Cargo enables the features that tests need of dependencies, as `cargo test` does.
  const features = ["--features", "clouds", ...(profile === "dev" ? ["--test", "clouds"] : [])];
  const built = await buildPrograms({
    what: "the tracker with the stores of clouds",
    args: ["--profile", profile, "-p", program, "--bins", ...features],
    about: "5 minutes the first time",
  });
  return built[program];
}

/** Builds the native program of the crawl example. */
export function buildCrawlProgram() {
  return buildPrograms({
    what: "the program of the crawl example",
    args: ["--profile", "serve", "-p", "crawl", "--bins"],
    about: "a minute the first time",
  });
}

/** Files that only bundlers use; they contain the wasm once more, as text. */
const embedded = /^(index|wasm)\.js$/;

/** The size of what a page without a bundler downloads, uncompressed and as servers compress it. */
export function packageSizes(folder) {
  const names = filesIn(folder, /\.(wasm|js)$/).filter((file) => !embedded.test(basename(file)));
  if (!names.some((name) => name.endsWith(".wasm"))) {
    throw new Failure(`There is no wasm in ${relative(root, folder)}.`, {
      why: "The build should have written it.",
      remedy: `delete ${relative(root, folder)} and build again`,
    });
  }
  const files = names.map((name) => readFileSync(name));
  const sum = (size) => files.reduce((all, file) => all + size(file).length, 0);
  return { raw: sum((file) => file), gz: sum(gzipSync), br: sum(brotliCompressSync) };
}

export function sizesText({ raw, gz, br }) {
  const kb = (bytes) => (bytes / 1000).toFixed(1);
  return `the package: ${kb(raw)} KB, ${kb(gz)} KB gzip, ${kb(br)} KB brotli`;
}

/** @returns {{ target?: string, outDir?: string, help?: boolean }} */
export function readArguments(args) {
  const options = {};
  const rest = [...args];
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === "--help") options.help = true;
    else if (flag === "--target" && targets.includes(rest[0])) options.target = rest.shift();
    else if (flag === "--out-dir" && rest[0]) options.outDir = resolve(rest.shift());
    else throw new Failure(`Invalid option: ${[flag, ...rest].join(" ")}`, { remedy: usage });
  }
  return options;
}

async function main(args) {
  const { help, target, outDir } = readArguments(args);
  if (help) return console.log(usage);
  endOnSignals();
  await ensureBuildTools();
  const only = target !== undefined || outDir !== undefined;
  console.log(sizesText(packageSizes(await buildPackage({ target, outDir }))));
  if (only) return;
  await buildKernel();
  await buildTracker();
}

if (isMain(import.meta.url)) await runMain(main);
