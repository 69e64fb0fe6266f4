// Installing what only the operating system can provide, where that is possible without asking
// anybody: on Debian and its relatives, as root.

import { existsSync } from "node:fs";

import { Failure } from "./failure.mjs";
import { progress } from "./progress.mjs";
import { must } from "./process.mjs";
import { which } from "./places.mjs";

export function isRoot() {
  return process.getuid?.() === 0;
}

/** Whether `apt-get install` is there and allowed. */
export function canInstall() {
  return isRoot() && existsSync("/etc/debian_version") && which("apt-get") !== undefined;
}

/** The command that a person would type for it. */
export function aptRemedy(packages) {
  return `on Debian or Ubuntu: sudo apt-get install ${packages.join(" ")}`;
}

/** PATHs whose package list was brought up to date; once in a run is enough. */
const updated = new Set();

/**
 * Installs packages.
 *
 * @param {string[]} packages
 * @param {string} why
 * @param {{ allowed?: boolean, env?: object }} [machine] another than this one, in tests
 */
export async function aptInstall(packages, why, { allowed = canInstall(), env } = {}) {
  const remedy = aptRemedy(packages);
  if (!allowed) {
    throw new Failure(`${packages.join(", ")} cannot be installed from here.`, { why, remedy });
  }
  const what = `installing ${packages.join(" ")}`;
  await progress({ what, why, about: "1 minute" }, async (note) => {
    const options = {
      // It would ask questions otherwise, and wait for answers.
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
