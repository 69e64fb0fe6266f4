// The build tools: Rust and its wasm target, wasm-bindgen, wasm-pack, the npm packages and wasm-opt.
// Each `ensure` function installs one tool if it is missing, reports what it does and why, and throws a
// Failure with a remedy if it cannot. Browsers are in browsers.mjs.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { Failure } from "./failure.mjs";
import { fetchPrebuilt } from "./prebuilt.mjs";
import { npmBin, npmCommand, root, toolEnv, toolsDir, which } from "./places.mjs";
import { answer, must, run } from "./process.mjs";
import { cargoNotes, progress } from "./progress.mjs";
import { lockedVersion, stalePackages, versionIn } from "./version.mjs";

const wasmPackVersion = "0.15.1";
const cargoDenyVersion = "0.20.2";
const wasmTarget = "wasm32-unknown-unknown";

/** Makes sure of the tools for `npm start` and the build. */
export async function ensureBuildTools() {
  await ensureRust();
  await ensureWasmTarget();
  await ensureNpmPackages();
  await ensureWasmOpt();
  await ensureWasmBindgen();
}

export async function ensureRust() {
  const version = await answer("cargo", ["--version"]);
  if (version !== undefined) return version;
  throw new Failure("Rust is missing: `cargo` cannot be run.", {
    why: "The client and the tracker are written in Rust.",
    remedy: "install rustup as https://rustup.rs says, open a new terminal, and try again",
  });
}

/** Makes sure of rustfmt and clippy, which rustup's minimal profile does not include. */
export async function ensureRustComponents() {
  await ensureRust();
  const missing = [];
  for (const [component, program] of Object.entries({ rustfmt: "fmt", clippy: "clippy" })) {
    if (!(await answer("cargo", [program, "--version"]))) missing.push(component);
  }
  if (missing.length === 0) return;
  const args = ["component", "add", ...missing];
  const why = "The checks look at how the Rust code is formatted and written.";
  const remedy = `rustup ${args.join(" ")}`;
  if (!which("rustup"))
    throw new Failure(`${missing.join(" and ")} cannot be run.`, { why, remedy });
  await progress({ what: `adding Rust's ${missing.join(" and ")}`, why, about: "10 s" }, () =>
    must("rustup", args, { why, remedy }),
  );
}

/** Whether the compiler's folder contains the standard library for wasm. */
async function hasWasmTarget() {
  const folder = await answer("rustc", ["--print", "target-libdir", "--target", wasmTarget]);
  return folder !== undefined && existsSync(folder);
}

export async function ensureWasmTarget() {
  if (await hasWasmTarget()) return;
  const why = "The client is compiled to WebAssembly, which needs Rust's library for it.";
  const remedy = `rustup target add ${wasmTarget}`;
  if (!which("rustup")) {
    throw new Failure(`Rust's ${wasmTarget} target is missing, and so is rustup.`, {
      why,
      remedy: `install rustup as https://rustup.rs says, then: ${remedy}`,
    });
  }
  await progress({ what: `adding Rust's ${wasmTarget}`, why, about: "10 s" }, () =>
    must("rustup", ["target", "add", wasmTarget], { why, remedy }),
  );
}

/** Makes sure that node_modules contains exactly the packages of package-lock.json. */
export async function ensureNpmPackages() {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const installed = join(root, "node_modules", ".package-lock.json");
  const isFresh = () =>
    existsSync(installed) && stalePackages(lock, readFileSync(installed, "utf8")).length === 0;
  if (isFresh()) return;
  const why = "prettier, TypeScript, wasm-opt and a driver for browsers come from there";
  const remedy = "npm ci";
  const [npm, ...first] = npmCommand();
  await progress({ what: "installing npm's packages", why, about: "10 s" }, () =>
    must(npm, [...first, "ci", "--no-audit", "--no-fund"], { why, remedy }),
  );
  if (!isFresh()) {
    throw new Failure("npm did not install the packages of package-lock.json.", { why, remedy });
  }
}

/** What wasm-opt has answered: it takes half a second, and the tests ask often. */
let wasmOptVersion;

/** Makes sure that wasm-opt is installed and can be run. */
export async function ensureWasmOpt() {
  const file = which("wasm-opt");
  wasmOptVersion ||= file?.startsWith(npmBin) && (await answer(file, ["--version"]));
  if (wasmOptVersion) return wasmOptVersion;
  throw new Failure("wasm-opt is missing from node_modules.", {
    why: "It reduces the size of the package by a third.",
    remedy: "npm ci",
  });
}

/** The version of wasm-bindgen in Cargo.lock; its tool must have exactly the same version. */
export function wantedWasmBindgen() {
  const version = lockedVersion(readFileSync(join(root, "Cargo.lock"), "utf8"), "wasm-bindgen");
  if (version) return version;
  throw new Failure("Cargo.lock does not contain wasm-bindgen.", {
    why: "The tool of that name must have the same version as the library.",
    remedy: "restore the committed Cargo.lock: git checkout Cargo.lock",
  });
}

export function ensureWasmBindgen() {
  return ensureRustTool({
    tool: "wasm-bindgen-cli",
    programs: ["wasm-bindgen", "wasm-bindgen-test-runner"],
    version: wantedWasmBindgen(),
    why: "it writes the JavaScript side of the package and runs its tests",
    about: "1 to 2 minutes",
  });
}

export function ensureWasmPack() {
  return ensureRustTool({
    tool: "wasm-pack",
    programs: ["wasm-pack"],
    version: wasmPackVersion,
    why: "the package that it makes must be the same as this repository's own build",
    about: "1 to 2 minutes",
  });
}

export function ensureCargoDeny() {
  return ensureRustTool({
    tool: "cargo-deny",
    programs: ["cargo-deny"],
    version: cargoDenyVersion,
    why: "it checks the licences, sources and versions of dependencies",
    about: "1 to 2 minutes",
  });
}

/** Whether all programs are on PATH in exactly this version. */
async function havePrograms(programs, version) {
  for (const program of programs) {
    const file = which(program);
    if (!file || versionIn(await answer(file, ["--version"])) !== version) return false;
  }
  return true;
}

/**
 * Makes sure of a tool written in Rust, in one version: uses the one on PATH, or downloads it, or
 * compiles it.
 *
 * @param {{ tool: string, programs: string[], version: string, why: string, about: string }} wanted
 */
export async function ensureRustTool({ tool, programs, version, why, about }) {
  if (await havePrograms(programs, version)) return;
  const what = `looking for a ready-made ${tool} ${version}`;
  const reason = await progress({ what, why }, () => fetchPrebuilt({ tool, version, programs }));
  if (reason === undefined) return;
  await progress({ what: `compiling ${tool} ${version}`, why: reason, about }, (note) =>
    compile(tool, version, why, note),
  );
  if (await havePrograms(programs, version)) {
    rmSync(buildFolder(tool), { recursive: true, force: true });
    return;
  }
  throw new Failure(`${tool} ${version} was installed, but reports another version.`, {
    why: `It is needed because ${why}.`,
    remedy: `delete ${join(".tools", "bin")} and try again`,
  });
}

/** A permanent build folder, so that an interrupted `cargo install` can continue. */
const buildFolder = (tool) => join(toolsDir, "target", tool);

/** The tools run only briefly, so they are compiled without optimisation, in a third of the time. */
const fastToCompile = {
  CARGO_PROFILE_RELEASE_OPT_LEVEL: "0",
  CARGO_PROFILE_RELEASE_LTO: "off",
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
  CARGO_PROFILE_RELEASE_DEBUG: "false",
};

async function compile(tool, version, why, note) {
  const args = ["install", tool, "--version", version, "--root", toolsDir, "--force"];
  const env = toolEnv({ CARGO_TARGET_DIR: buildFolder(tool), ...fastToCompile });
  const options = { env, onLine: cargoNotes(note) };
  const locked = await run("cargo", [...args, "--locked"], options);
  if (locked.code === 0) return;
  // A registry mirror that lags behind may lack the locked versions of the tool's dependencies.
  note("the locked versions of its dependencies are not available; trying others");
  await must("cargo", args, {
    ...options,
    why: `It is needed because ${why}.`,
    remedy: `see the messages above; then: cargo install ${tool} --version ${version}`,
  });
}
