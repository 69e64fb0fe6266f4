// The one error of these scripts: what is missing, why it is needed, and what to do about it.
// It is printed without a stack, because the reader is somebody who wants to run the project.

import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";

export class Failure extends Error {
  name = "Failure";

  /**
   * @param {string} what what went wrong, in a sentence
   * @param {{ why?: string, remedy?: string, output?: string }} [details]
   */
  constructor(what, { why, remedy, output } = {}) {
    super([what, why, remedy && `What to do: ${remedy}`].filter(Boolean).join("\n  "));
    // Hidden, so that a test runner that shows all of an error does not print it as one long line.
    Object.defineProperty(this, "output", { value: output });
  }
}

/** What a script prints when it ends with `error`. */
export function failureText(error) {
  if (!(error instanceof Failure)) return error?.stack ?? String(error);
  const output = error.output?.trim();
  return output ? `${lastLines(withoutNoise(output), 60)}\n\n${error.message}` : error.message;
}

/** Cargo names each crate that it builds, and none of those lines says what went wrong. */
export function withoutNoise(output) {
  const noise = /^\s*(Compiling|Checking|Documenting|Download(ing|ed)|Updating|Locking|Adding) \S/;
  const lines = output.split("\n").filter((line) => !noise.test(line));
  return lines.join("\n");
}

/** The end of a long text, which is where programs say what went wrong. */
export function lastLines(text, count) {
  const lines = text.trimEnd().split("\n");
  const left = lines.length - count;
  return left > 0 ? [`… (${left} more lines)`, ...lines.slice(left)].join("\n") : text.trimEnd();
}

/** Runs a script's `main` and turns what it throws into a message and an exit code. */
export async function runMain(main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`\n${failureText(error)}`);
    process.exitCode = 1;
  }
}

/** Whether the module at `url` is what Node was started with, and not imported by another. */
export function isMain(url, argv = process.argv) {
  return argv[1] !== undefined && pathToFileURL(realpathSync(argv[1])).href === url;
}
