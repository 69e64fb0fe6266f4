// Downloads precompiled programs into .tools/bin: selects the archive for this machine, requires TLS,
// and verifies the checksum that the release publishes. A tool that cannot be downloaded is compiled
// instead, as are tools whose releases have no checksums (wasm-pack, geckodriver).

import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import { filesUnder } from "./stamp.mjs";
import { must } from "./process.mjs";
import { toolsDir } from "./places.mjs";

/** Short, because machines without access to GitHub wait for it. */
const connectMs = 5_000;
const downloadMs = 120_000;

/** GitHub redirects downloads to another host. */
const mostRedirects = 5;

const releases = "https://github.com";

const triples = {
  "linux-x64": "x86_64-unknown-linux-musl",
  "linux-arm64": "aarch64-unknown-linux-musl",
  "darwin-x64": "x86_64-apple-darwin",
  "darwin-arm64": "aarch64-apple-darwin",
  "win32-x64": "x86_64-pc-windows-msvc",
};

/** The path of each tool's archive on the release host, and the suffix of its checksum file. */
const archives = {
  "wasm-bindgen-cli": {
    path: (version, triple) =>
      `wasm-bindgen/wasm-bindgen/releases/download/${version}/wasm-bindgen-${version}-${triple}.tar.gz`,
    sum: ".sha256sum",
  },
  "cargo-deny": {
    path: (version, triple) =>
      `EmbarkStudios/cargo-deny/releases/download/${version}/cargo-deny-${version}-${triple}.tar.gz`,
    sum: ".sha256",
  },
};

/**
 * The paths of a tool's archive and its checksum, or undefined if there are none for this machine.
 *
 * @returns {{ archive: string, sum: string } | undefined}
 */
export function archivePaths(tool, version, machine = `${process.platform}-${process.arch}`) {
  const triple = triples[machine];
  if (!triple || !archives[tool]) return undefined;
  const archive = archives[tool].path(version, triple);
  return { archive, sum: archive + archives[tool].sum };
}

/** Hosts that did not answer, with the reason. Each host is tried only once per run. */
const unreachable = new Map();

/** Whether an address is on this machine, where tests serve their own releases without TLS. */
function isLoopback(address) {
  const { hostname } = new URL(address);
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/**
 * Installs a tool's programs into the folder `into`. Resolves to undefined on success, and otherwise
 * to a short reason, so that the caller can explain why it compiles the tool.
 *
 * @param {{ tool: string, version: string, programs: string[], into?: string, base?: string }} what
 * @returns {Promise<string | undefined>}
 */
export async function fetchPrebuilt({ tool, version, programs, into, base }) {
  const given = base ?? process.env.DISTCOMPUTE_RELEASES;
  const host = given ?? releases;
  const paths = archivePaths(tool, version);
  if (!paths) return `there is no ready-made ${tool} with a published sum for this kind of machine`;
  if (given !== undefined && !(URL.canParse(given) && isLoopback(given))) {
    return `DISTCOMPUTE_RELEASES is ${given}, and only this machine may stand in for ${releases}`;
  }
  if (unreachable.has(host)) return unreachable.get(host);
  const folder = mkdtempSync(join(tmpdir(), "distcompute-tool-"));
  try {
    const name = basename(paths.archive);
    const sum = publishedSum(String(await download(host, paths.sum)), name);
    const bytes = await download(host, paths.archive);
    if (createHash("sha256").update(bytes).digest("hex") !== sum) {
      throw new Error(`${name} does not have the checksum that its release publishes`);
    }
    const archive = join(folder, name);
    writeFileSync(archive, bytes);
    await must("tar", ["-xf", archive, "-C", folder], { why: `to unpack ${name}` });
    await install(folder, programs, version, into ?? join(toolsDir, "bin"));
    return undefined;
  } catch (error) {
    return String(error.message).split("\n")[0];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Parses a checksum in the format of sha256sum, with or without the name of the file. */
function publishedSum(text, name) {
  const [, sum, file] = /^([0-9a-f]{64})(?:\s+\*?(\S+))?$/i.exec(text.trim()) ?? [];
  if (!sum || (file && basename(file) !== name)) {
    throw new Error(`the release publishes no valid checksum of ${name}`);
  }
  return sum.toLowerCase();
}

async function download(host, path) {
  const url = `${host.replace(/\/$/, "")}/${path}`;
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), connectMs);
  let response;
  try {
    response = await follow(url, abort.signal);
  } catch (error) {
    if (error instanceof Insecure) throw error;
    const reason = `${host} does not answer`;
    unreachable.set(host, reason);
    throw new Error(reason);
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  timer = setTimeout(() => abort.abort(), downloadMs);
  try {
    return Buffer.from(await response.arrayBuffer());
  } catch {
    throw new Error(`the download of ${url} was interrupted`);
  } finally {
    clearTimeout(timer);
  }
}

class Insecure extends Error {}

/** Like `fetch`, but does not follow redirects to addresses without TLS. */
async function follow(url, signal) {
  let at = url;
  for (let hop = 0; hop <= mostRedirects; hop++) {
    if (!at.startsWith("https://") && !isLoopback(at)) {
      throw new Insecure(`${url} leads to ${at}, which is not encrypted`);
    }
    const response = await fetch(at, { signal, redirect: "manual" });
    const to = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || !to) return response;
    at = new URL(to, at).href;
  }
  throw new Insecure(`${url} has too many redirects`);
}

/**
 * Installs the programs of an unpacked archive, after running each: an archive for another C library
 * or processor would unpack without an error.
 */
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
