// The error type of these scripts: what went wrong, why that matters, and what to do about it. It is
// printed without a stack trace, which would not help people who only want to run the project.

import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";

export class Failure extends Error {
  name = "Failure";

  /**
   * @param {string} what the problem, as a sentence
   * @param {{ why?: string, remedy?: string, output?: string }} [details]
   */
  constructor(what, { why, remedy, output } = {}) {
    super([what, why, remedy && `What to do: ${remedy}`].filter(Boolean).join("\n  "));
    // Not enumerable, because test runners print all properties of an error, this one as a long line.
    Object.defineProperty(this, "output", { value: output });
    // Test runners print the stack instead.
    if (output) this.stack += `\n${lastLines(withoutNoise(output), 60)}`;
  }
}

/** Formats the error with which a script ends. */
export function failureText(error) {
  if (!(error instanceof Failure)) return error?.stack ?? String(error);
  const output = error.output?.trim();
  return output ? `${lastLines(withoutNoise(output), 60)}\n\n${error.message}` : error.message;
}

/** Removes Cargo's progress lines, which bury the messages that explain a failure. */
export function withoutNoise(output) {
  const noise = /^\s*(Compiling|Checking|Documenting|Download(ing|ed)|Updating|Locking|Adding) \S/;
  const lines = output.split("\n").filter((line) => !noise.test(line));
  return lines.join("\n");
}

/** The end of a long text, where programs usually explain their failure. */
export function lastLines(text, count) {
  const lines = text.trimEnd().split("\n");
  const left = lines.length - count;
  return left > 0 ? [`… (${left} more lines)`, ...lines.slice(left)].join("\n") : text.trimEnd();
}

/** Runs a script's `main`. If it throws, prints the error and sets the exit code. */
export async function runMain(main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`\n${failureText(error)}`);
    process.exitCode = 1;
  }
}

/** Whether the module at `url` is the program's entry point, as opposed to an import. */
export function isMain(url, argv = process.argv) {
  return argv[1] !== undefined && pathToFileURL(realpathSync(argv[1])).href === url;
}
