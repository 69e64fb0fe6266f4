// The tools that everything is built with: Rust and its wasm target, wasm-bindgen, wasm-pack,
// npm's packages and wasm-opt. Each function makes sure of one tool, says what it does and why
// before it takes time, and throws a Failure with its remedy. Browsers are in browsers.mjs.

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

/** What `npm start` and the build need. */
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

/** The formatter and the linter, which rustup's minimal profile leaves out. */
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

/** Rust's standard library for wasm lies in the compiler's own folder. */
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

/** The packages of package-lock.json, and no others. */
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
    throw new Failure("npm's packages are still not those of package-lock.json.", { why, remedy });
  }
}

/** Its presence is checked, and that it runs. */
export async function ensureWasmOpt() {
  const file = which("wasm-opt");
  const version = file?.startsWith(npmBin) && (await answer(file, ["--version"]));
  if (version) return version;
  throw new Failure("wasm-opt is missing from node_modules.", {
    why: "It makes the package that browsers download a third smaller.",
    remedy: "npm ci",
  });
}

/** The version that Cargo.lock settles on: any other refuses the compiled library. */
export function wantedWasmBindgen() {
  const version = lockedVersion(readFileSync(join(root, "Cargo.lock"), "utf8"), "wasm-bindgen");
  if (version) return version;
  throw new Failure("Cargo.lock names no version of wasm-bindgen.", {
    why: "The tool of that name must have the same version as the library.",
    remedy: "bring back Cargo.lock as it was committed: git checkout Cargo.lock",
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
    why: "it looks at the licences, sources and versions of dependencies",
    about: "1 to 2 minutes",
  });
}

/** Whether each of the programs is on PATH with exactly this version. */
async function havePrograms(programs, version) {
  for (const program of programs) {
    const file = which(program);
    if (!file || versionIn(await answer(file, ["--version"])) !== version) return false;
  }
  return true;
}

/**
 * A tool written in Rust, at one version: the one on PATH, else ready-made, else compiled.
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
  throw new Failure(`${tool} ${version} was installed, but does not answer with that version.`, {
    why: `It is needed because ${why}.`,
    remedy: `delete ${join(".tools", "bin")} and try again`,
  });
}

/** Cargo's own folder for it is temporary; one of ours lets a run that was broken off go on. */
const buildFolder = (tool) => join(toolsDir, "target", tool);

/** They run for moments: compiled without optimisation they are there in a third of the time. */
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
  // A registry that lags behind may not have the very versions that the tool's authors locked.
  note("its locked versions cannot be had; trying others");
  await must("cargo", args, {
    ...options,
    why: `It is needed because ${why}.`,
    remedy: `see the messages above; then: cargo install ${tool} --version ${version}`,
  });
}
