// The kernel in Rust, if a project has one: compiled to WebAssembly by wasm-pack.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { Failure, messageOf } from "../failure.js";
import { files, hasKernel } from "./project.js";

const why = `This project has a kernel in Rust (${files.kernel}/), which is compiled to WebAssembly by wasm-pack.`;

/** What is to be done where a program is missing. */
const remedies = {
  cargo: `${why} Install Rust: https://rustup.rs`,
  "wasm-pack": `${why} Install wasm-pack: cargo install wasm-pack`,
};

/** The standard library for this target comes with rustup. */
const target = "wasm32-unknown-unknown";

/** Compiles it; does nothing in a project without one. */
export async function buildKernel() {
  if (!hasKernel()) return;
  await requireTools();
  const args = ["build", files.kernel, "--target", "web", "--release"];
  const { code, output } = await run("wasm-pack", args);
  if (code !== 0) throw new Failure(`The kernel cannot be built.\n${output.trim()}`);
}

/** Throws what is to be done, before a compiler prints it in its own words. */
async function requireTools() {
  if (process.cwd().includes("%") && !process.env.CARGO_TARGET_DIR) {
    throw new Failure(
      'Rust\'s linker cannot write to a folder with "%" in its path. Move the project to another one, or set ' +
        "CARGO_TARGET_DIR to another one.",
    );
  }
  for (const name of Object.keys(remedies)) await run(name, ["--version"]);
  const { code, output } = await run("rustc", ["--print", "target-libdir", "--target", target]);
  if (code === 0 && existsSync(output.trim().split("\n").at(-1) ?? "")) return;
  throw new Failure(
    `${why} Rust's library for WebAssembly is not installed: rustup target add ${target}`,
  );
}

/** @returns {Promise<{ code: number | null, output: string }>} */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    child.once("error", (error) => {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      const remedy = remedies[program] ?? remedies.cargo;
      reject(
        new Failure(code === "ENOENT" ? `${program} was not found. ${remedy}` : messageOf(error)),
      );
    });
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** Where its sources are. */
export const kernelSources = [join(files.kernel, "src"), join(files.kernel, "Cargo.toml")];
