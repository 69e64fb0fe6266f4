// The folders of this repository, and the environment for its tools. Nothing here runs a program or
// changes a file.

import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Tools that are installed for this repository only. If it is deleted, the next run restores it. */
export const toolsDir = join(root, ".tools");

/** The programs of the npm packages. */
export const npmBin = join(root, "node_modules", ".bin");

const isWindows = process.platform === "win32";

/** The name of PATH in `env`: Windows spells it `Path`, and must not get both spellings. */
function pathKey(env) {
  return Object.keys(env).find((key) => key.toUpperCase() === "PATH") ?? "PATH";
}

/**
 * The environment for the programs that scripts run. Our own tools come first, so that they take
 * precedence over other versions on PATH. Cargo's folder comes last, for shells that were opened
 * before rustup was installed.
 */
export function toolEnv(extra = {}, env = process.env) {
  const key = pathKey(env);
  const cargoBin = join(env.CARGO_HOME ?? join(homedir(), ".cargo"), "bin");
  const path = [join(toolsDir, "bin"), npmBin, env[key] ?? "", cargoBin].join(delimiter);
  return { ...env, [key]: path, ...extra };
}

/** The path of the program that `name` would start, or undefined. */
export function which(name, env = toolEnv()) {
  const folders = (env[pathKey(env)] ?? "").split(delimiter).filter(Boolean);
  const endings = isWindows ? (env.PATHEXT ?? ".EXE;.CMD;.BAT;.COM").split(";") : [""];
  for (const folder of folders) {
    for (const ending of endings) {
      const file = join(folder, name + ending);
      if (isProgram(file)) return file;
    }
  }
  return undefined;
}

function isProgram(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return false;
  return isWindows || (stat.mode & 0o111) !== 0;
}

/**
 * The command that runs npm through Node. On Windows npm itself is a `.cmd`, which needs a shell.
 */
export function npmCommand(env = process.env) {
  const beside = dirname(process.execPath);
  const candidates = [
    env.npm_execpath,
    join(beside, "node_modules", "npm", "bin", "npm-cli.js"),
    join(beside, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  const cli = candidates.find((file) => file?.endsWith("npm-cli.js") && existsSync(file));
  return cli ? [process.execPath, cli] : ["npm"];
}
