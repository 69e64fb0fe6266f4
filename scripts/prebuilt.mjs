// Programs that their authors offer ready-made: which archive is the right one for this machine,
// and how it gets into .tools/bin. Nothing depends on it: what cannot be had is compiled.

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { filesUnder } from "./stamp.mjs";
import { must } from "./process.mjs";
import { toolsDir } from "./places.mjs";

/** A machine without a way to GitHub shall not wait long to learn that. */
const connectMs = 5_000;
const downloadMs = 120_000;

const triples = {
  "linux-x64": "x86_64-unknown-linux-musl",
  "linux-arm64": "aarch64-unknown-linux-musl",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
  "win32-x64": "x86_64-pc-windows-msvc",
};

const geckodriverArchives = {
  "linux-x64": "linux64.tar.gz",
  "linux-arm64": "linux-aarch64.tar.gz",
  "darwin-x64": "macos.tar.gz",
  "darwin-arm64": "macos-aarch64.tar.gz",
  "win32-x64": "win64.zip",
};

/** Each tool's archive below the host that has the releases; undefined where there is none. */
const archives = {
  "wasm-bindgen-cli": (version, machine) =>
    triples[machine] &&
    `wasm-bindgen/wasm-bindgen/releases/download/${version}/wasm-bindgen-${version}-${triples[machine]}.tar.gz`,
  "wasm-pack": (version, machine) =>
    triples[machine] &&
    `wasm-bindgen/wasm-pack/releases/download/v${version}/wasm-pack-v${version}-${triples[machine]}.tar.gz`,
  geckodriver: (version, machine) =>
    geckodriverArchives[machine] &&
    `mozilla/geckodriver/releases/download/v${version}/geckodriver-v${version}-${geckodriverArchives[machine]}`,
};

/** The path of a tool's archive, or undefined if there is none for this machine. */
export function archivePath(tool, version, machine = `${process.platform}-${process.arch}`) {
  return archives[tool]?.(version, machine);
}

/** Hosts that did not answer: each is tried once in a run, not once a tool. */
const unreachable = new Map();

/**
 * Puts a tool's programs into `into`. Resolves to `undefined` when that worked, and otherwise to
 * the reason in a few words, so that the caller can say why it goes on to compile.
 *
 * @param {{ tool: string, version: string, programs: string[], into?: string, base?: string }} what
 * @returns {Promise<string | undefined>}
 */
export async function fetchPrebuilt({ tool, version, programs, into, base }) {
  const host = base ?? process.env.DISTCOMPUTE_RELEASES ?? "https://github.com";
  const path = archivePath(tool, version);
  if (!path) return `there is no ready-made ${tool} for this kind of machine`;
  if (unreachable.has(host)) return unreachable.get(host);
  const folder = mkdtempSync(join(tmpdir(), "distcompute-tool-"));
  try {
    const archive = await download(host, path, folder);
    await must("tar", ["-xf", archive, "-C", folder], { why: `to unpack ${basename(archive)}` });
    await install(folder, programs, version, into ?? join(toolsDir, "bin"));
    return undefined;
  } catch (error) {
    return String(error.message).split("\n")[0];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function download(host, path, folder) {
  const url = `${host.replace(/\/$/, "")}/${path}`;
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), connectMs);
  let response;
  try {
    response = await fetch(url, { signal: abort.signal });
  } catch {
    const reason = `${host} does not answer`;
    unreachable.set(host, reason);
    throw new Error(reason);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  timer = setTimeout(() => abort.abort(), downloadMs);
  try {
    const file = join(folder, basename(path));
    writeFileSync(file, Buffer.from(await response.arrayBuffer()));
    return file;
  } catch {
    throw new Error(`the download of ${url} broke off`);
  } finally {
    clearTimeout(timer);
  }
}

/** An archive for another C library or another processor unpacks well and does not run. */
async function install(folder, programs, version, into) {
  const files = filesUnder(folder);
  const ending = process.platform === "win32" ? ".exe" : "";
  const found = programs.map((program) => {
    const file = files.find((candidate) => basename(candidate) === program + ending);
    if (!file) throw new Error(`the archive holds no ${program}`);
    return file;
  });
  for (const file of found) {
    chmodSync(file, 0o755);
    const { stdout } = await must(file, ["--version"], { why: "to see whether it runs here" });
    if (!stdout.includes(version)) throw new Error(`the archive holds another version: ${stdout}`);
  }
  mkdirSync(into, { recursive: true });
  for (const file of found) copyFileSync(file, join(into, basename(file)));
}
