// `npm create distcompute`: asks what is not given, makes the project, and says how it goes on.

import { relative } from "node:path";
import { createInterface } from "node:readline/promises";

import { Failure } from "./failure.js";
import { readOptions, usage } from "./options.js";
import { ask } from "./questions.js";
import { writeProject } from "./write.js";

/**
 * Resolves to the exit code.
 *
 * @param {string[]} args
 * @returns {Promise<number>}
 */
export async function main(args) {
  try {
    const options = readOptions(args);
    if (options === "help") {
      console.log(usage);
      return 0;
    }
    const project = await asked(options);
    if (!project) {
      console.error("Nothing was made.");
      return 130;
    }
    const folder = writeProject(project);
    const place = relative("", folder);
    const steps = [...(place === "" ? [] : [`cd ${quoted(place)}`]), "npm install", "npm start"];
    console.log(`\nThe project is in ${folder}. Next:\n\n  ${steps.join("\n  ")}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`create-distcompute: ${error.message}`);
    return 1;
  }
}

/** Asks for what the options leave open. Resolves to nothing when the user breaks off. */
async function asked(options) {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  terminal.on("SIGINT", () => terminal.close());
  // Ctrl-C, or the end of the input.
  const closed = new AbortController();
  terminal.once("close", () => closed.abort());
  const { signal } = closed;
  try {
    return await ask(options, {
      isTerminal: Boolean(process.stdin.isTTY && process.stdout.isTTY),
      question: (text) => terminal.question(text, { signal }),
      print: (text) => console.log(text),
    });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    terminal.close();
  }
}

/** For a shell. @param {string} path */
function quoted(path) {
  return /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
