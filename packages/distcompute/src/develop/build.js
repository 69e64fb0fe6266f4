// `distcompute build`: the volunteer page with the worker script, as files that any server can serve.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { parseArgs } from "node:util";

import { stop } from "esbuild";

import { bundle } from "../bundle.js";
import { Failure, messageOf } from "../failure.js";
import { buildKernel } from "./kernel.js";
import { files, requireProject } from "./project.js";

const usage = `Usage: distcompute build

Builds the volunteer page of the project in this folder into ${files.built}/: worker.js and what is in
${files.page}/, bundled by esbuild, and the kernel in ${files.kernel}/, if there is one.`;

/** Files of the page that are copied as they are. */
const copied = [
  ".html",
  ".png",
  ".jpg",
  ".jpeg",
  ".gif",
  ".webp",
  ".avif",
  ".svg",
  ".ico",
  ".woff2",
];
const alsoCopied = [".txt", ".webmanifest", ".wasm"];

/** The loaders by which esbuild copies them. @type {Record<string, "copy">} */
const loaders = Object.fromEntries([...copied, ...alsoCopied].map((ending) => [ending, "copy"]));

/** @param {string[]} args */
export async function build(args) {
  if (wantsHelp(args, usage)) return 0;
  requireProject();
  await buildKernel();
  await buildPage();
  await stop();
  console.log(`The volunteer page is in ${files.built}/.`);
  return 0;
}

/** Whether --help was given, which is then answered. Other arguments are refused. */
export function wantsHelp(args, usage) {
  let help;
  try {
    help = parseArgs({ args, options: { help: { type: "boolean", short: "h" } } }).values.help;
  } catch (error) {
    throw new Failure(`${messageOf(error)}\n\n${usage}`);
  }
  if (help) console.log(usage);
  return help ?? false;
}

/** @type {import("esbuild").BuildOptions} */
const common = { loader: loaders, assetNames: "[name]-[hash]", minify: true, sourcemap: true };

/**
 * The settings for esbuild of the worker script and of the page. They share nothing, because a worker needs only a
 * small part of the client.
 *
 * @param {string} outdir
 * @returns {import("esbuild").BuildOptions[]}
 */
export function parts(outdir) {
  const names = readdirSync(files.page, { recursive: true }).map(String);
  const isEntry = (name) => ["page.js", "page.css"].includes(name) || extname(name) in loaders;
  const entryPoints = names.filter(isEntry).map((name) => ({
    in: join(files.page, name),
    out: name.slice(0, name.length - extname(name).length),
  }));
  const worker = { in: files.worker, out: "worker" };
  // The words of a language are a file of their own, which only its volunteers load.
  const split = { splitting: true, chunkNames: "page-[name]-[hash]" };
  return [
    { ...common, outdir, entryPoints: [worker] },
    { ...common, outdir, entryPoints, ...split },
  ];
}

/** Builds the page. If it cannot be built, what was built before stays. */
export async function buildPage() {
  const built = await Promise.all(
    parts(files.built).map((part) => bundle({ ...part, write: false }, "The project")),
  );
  rmSync(files.built, { recursive: true, force: true });
  for (const { path, contents } of built.flatMap(({ outputFiles = [] }) => outputFiles)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
}
