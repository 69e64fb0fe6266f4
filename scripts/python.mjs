// Python for the conformance tests, in virtual environments in .tools, so that nothing is installed
// into the system's Python.

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { aptInstall, aptRemedy, canInstall } from "./debian.mjs";
import { Failure } from "./failure.mjs";
import { root, toolsDir, which } from "./places.mjs";
import { answer, must, run } from "./process.mjs";
import { progress } from "./progress.mjs";
import { hashOf, isStamped, writeStamp } from "./stamp.mjs";
import { atLeast, versionIn } from "./version.mjs";

/** The environments: the folder in tests/ with the requirements, and the oldest Python they need. */
const client = {
  tests: "python",
  least: "3.8.0",
  what: "the Python client",
  why: "The real Python client is run against the tracker to show that both agree.",
};
const project = {
  tests: "project",
  least: "3.11.0",
  what: "httpx, tqdm, pytest and mypy",
  why: "The Python package for owners is run against the tracker, and its types are checked.",
};
const notebook = {
  tests: "notebook",
  least: "3.11.0",
  what: "Jupyter's kernel and matplotlib",
  why: "The notebook of the sample pi is run.",
};
const schemathesis = {
  tests: "schema",
  least: "3.11.0",
  what: "Schemathesis",
  why: "Requests of all kinds are sent to the tracker, to compare it with its own description.",
};

const s3 = {
  tests: "clouds",
  least: "3.10.0",
  what: "moto, an S3 server",
  why: "Files of jobs are kept in an object store that is a program of its own.",
};

function programIn(environment) {
  return process.platform === "win32"
    ? join(environment, "Scripts", "python.exe")
    : join(environment, "bin", "python");
}

/** Resolves to a Python with the packages of tests/python/requirements.txt. */
export const ensurePython = () => ensureEnvironment(client);

/** Resolves to a Python with the packages of tests/project/requirements.txt. */
export const ensurePythonProject = () => ensureEnvironment(project);

/** Resolves to a Python with the packages of tests/notebook/requirements.txt. */
export const ensureNotebook = () => ensureEnvironment(notebook);

/** Resolves to a Python with the packages of tests/schema/requirements.txt. */
export const ensureSchemathesis = () => ensureEnvironment(schemathesis);

/** Resolves to a Python with the packages of tests/clouds/requirements.txt. */
export const ensureS3 = () => ensureEnvironment(s3);

async function ensureEnvironment({ tests, least, what, why }) {
  const folder = join(toolsDir, tests);
  const requirements = join(root, "tests", tests, "requirements.txt");
  const python = programIn(folder);
  const system = await systemPython(least, why);
  const hash = hashOf([requirements], [system.version]);
  const stamp = join(folder, "distcompute.stamp");
  if (isStamped(stamp, hash) && (await answer(python, ["--version"]))) return python;
  rmSync(folder, { recursive: true, force: true });
  await makeEnvironment(system.command, folder, why);
  const install = ["-m", "pip", "install", "--quiet", "-r", requirements];
  await progress({ what: `installing ${what}`, why, about: "20 s" }, () =>
    must(python, install, { why, remedy: "see pip's message above" }),
  );
  writeStamp(stamp, hash);
  return python;
}

async function findPython(least) {
  for (const command of [["python3"], ["python"], ["py", "-3"]]) {
    const [program, ...first] = command;
    const version = which(program) && versionIn(await answer(program, [...first, "--version"]));
    if (atLeast(version || undefined, least)) return { command, version };
  }
  return undefined;
}

/** Resolves to the command of the system's Python: a program and its first arguments. */
export async function ensureSystemPython(least = client.least) {
  return (await systemPython(least, client.why)).command;
}

async function systemPython(least, why) {
  const found = await findPython(least);
  if (found) return found;
  const packages = ["python3", "python3-venv"];
  const remedy = `install Python ${least} or later; ${aptRemedy(packages)}`;
  if (canInstall()) await aptInstall(packages, why);
  const installed = await findPython(least);
  if (installed) return installed;
  throw new Failure(`Python ${least} or later was not found.`, { why, remedy });
}

/** Creates the environment. This fails on Debian without the package that contains `venv`. */
async function makeEnvironment([program, ...first], folder, why) {
  const make = [...first, "-m", "venv", folder];
  const tried = await run(program, make);
  if (tried.code === 0 && existsSync(programIn(folder))) return;
  const packages = ["python3-venv"];
  if (canInstall()) await aptInstall(packages, why);
  await must(program, [...make, "--clear"], { why, remedy: aptRemedy(packages) });
}
