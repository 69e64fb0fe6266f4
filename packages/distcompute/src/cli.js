// The command line: selects the command, and turns errors into messages and exit codes.

import { Failure } from "./failure.js";

const usage = `Usage: distcompute <command> [options]

  map FUNCTION [INPUTS]   run a function on each line of INPUTS, or of standard input, on this
                          machine and in the browsers of everybody who opens the printed address
  check SCRIPT INPUTS     run the first of INPUTS through a worker script, and say what is wrong with it
  work URL                compute for the project of the tracker at URL, without a browser
  tracker COMMAND         run the tracker: serve, import, export, … (tracker --help)

In the folder of a project that \`npm create distcompute\` has made:

  start                   build the volunteer page, import the jobs and serve them
  dev                     the same for development: when the function changes, the page is reloaded
  test                    run the cases of tests/cases.jsonl in a headless browser
  build                   build the volunteer page into dist/

distcompute <command> --help explains a command.`;

const commands = {
  map: async (args) => (await import("./map/command.js")).map(args),
  check: async (args) => (await import("./check/command.js")).check(args),
  work: async (args) => (await import("./work/command.js")).work(args),
  tracker: async (args) => (await import("./tracker.js")).runTracker(args),
  start: async (args) => (await import("./develop/start.js")).start(args),
  dev: async (args) => (await import("./develop/dev.js")).dev(args),
  test: async (args) => (await import("./develop/test.js")).test(args),
  build: async (args) => (await import("./develop/build.js")).build(args),
};

/**
 * Runs a command. Resolves to the exit code.
 *
 * @param {string[]} args
 * @returns {Promise<number>}
 */
export async function main([name = "--help", ...args]) {
  if (name === "--help" || name === "-h") {
    console.log(usage);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    console.error(`There is no command "${name}".\n\n${usage}`);
    return 1;
  }
  try {
    return await command(args);
  } catch (error) {
    // The reader of the outputs has enough, as `head` does. 141 is the code of a program that SIGPIPE ends.
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EPIPE") return 141;
    console.error(error instanceof Failure ? `distcompute: ${error.message}` : error);
    return 1;
  }
}
