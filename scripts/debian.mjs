// Installs packages of the operating system where that is possible without a prompt: on Debian and
// its derivatives, as root.

import { existsSync } from "node:fs";

import { Failure } from "./failure.mjs";
import { progress } from "./progress.mjs";
import { must } from "./process.mjs";
import { which } from "./places.mjs";

export function isRoot() {
  return process.getuid?.() === 0;
}

/** Whether `apt-get install` exists and may be used. */
export function canInstall() {
  return isRoot() && existsSync("/etc/debian_version") && which("apt-get") !== undefined;
}

/** The command with which a person would install the packages. */
export function aptRemedy(packages) {
  return `on Debian or Ubuntu: sudo apt-get install ${packages.join(" ")}`;
}

/** The PATHs with which `apt-get update` has run already; once per run is enough. */
const updated = new Set();

/**
 * Installs packages.
 *
 * @param {string[]} packages
 * @param {string} why
 * @param {{ allowed?: boolean, env?: object }} [machine] replaced in tests
 */
export async function aptInstall(packages, why, { allowed = canInstall(), env } = {}) {
  const remedy = aptRemedy(packages);
  if (!allowed) {
    throw new Failure(`${packages.join(", ")} cannot be installed from here.`, { why, remedy });
  }
  const what = `installing ${packages.join(" ")}`;
  await progress({ what, why, about: "1 minute" }, async (note) => {
    const options = {
      // Without this, packages may prompt for answers.
      env: { ...(env ?? process.env), DEBIAN_FRONTEND: "noninteractive" },
      onLine: (line) => /^(Get|Unpacking|Setting up)/.test(line) && note(line),
      why,
      remedy,
    };
    const { PATH } = options.env;
    if (!updated.has(PATH)) await must("apt-get", ["update", "-qq"], options);
    updated.add(PATH);
    await must("apt-get", ["install", "-y", "--no-install-recommends", ...packages], options);
  });
}
