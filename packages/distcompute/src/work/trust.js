// Which hosts may run code on this machine: those that the command line names, and those to which the user has
// agreed before, which a file of the user's settings lists.

import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";

import { Failure } from "../failure.js";

/** The file with a host on each line. */
export function trustFile(env = process.env) {
  const settings = env.XDG_CONFIG_HOME || join(homedir(), ".config");
  return join(settings, "distcompute", "trusted-hosts");
}

/**
 * Resolves to the hosts that are trusted, with `host` among them. Rejects if it is not.
 *
 * @param {object} asked
 * @param {string} asked.host that of the worker script, with its port
 * @param {string[]} asked.given the hosts of the command line
 * @param {string} asked.file
 * @param {NodeJS.ReadStream} [asked.input] where the user answers, if that is a terminal
 * @param {NodeJS.WriteStream} [asked.output]
 */
export async function trustedHosts({
  host,
  given,
  file,
  input = process.stdin,
  output = process.stderr,
}) {
  const remembered = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const trusted = new Set([...given, ...remembered.filter((line) => line !== "")]);
  if (trusted.has(host)) return trusted;
  if (!input.isTTY || !output.isTTY) {
    throw new Failure(
      `The worker script is code from ${host}, which is not trusted. To run it on this machine: ` +
        `--trust-code ${host}`,
    );
  }
  const question =
    `The project's worker script is code from ${host}. It will run on this machine, now and whenever the ` +
    `project changes it, with as few permissions as Node can give it.\n` +
    `Do you trust ${host} with that, from now on? Type yes or no: `;
  const lines = createInterface({ input, output });
  try {
    // Ctrl-C and Ctrl-D end the question without an answer.
    const ended = once(lines, "close").then(() => "no");
    const asked = lines.question(question).catch(() => "no");
    const answer = await Promise.race([asked, ended]);
    if (answer.trim().toLowerCase() !== "yes") throw new Failure("Nothing was run.");
  } finally {
    lines.close();
  }
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  appendFileSync(file, `${host}\n`, { mode: 0o600 });
  return trusted.add(host);
}
