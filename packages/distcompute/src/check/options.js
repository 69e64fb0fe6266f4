// The options of `distcompute check`.

import { parseArgs } from "node:util";

import { Failure, messageOf } from "../failure.js";

export const usage = `Usage: distcompute check SCRIPT INPUTS [options]

Runs the first inputs through the handler of a worker script, or through a function as map takes it, in a
thread of Node and without a tracker, and says what is wrong: the script cannot be loaded, the handler throws,
an output is not JSON or too large, a job is not done in time, progress or checkpoint is used in a way that
will not work.

INPUTS has one job on each line, as JSON.

  --txt              inputs are plain lines
  --count N          how many inputs are run (default 3)
  --stage LETTERS    the stages, such as ab: the output of each is the input of the next (default: a, and
                     all of a function that has several)
  --timeout SECONDS  how long a job may take (default 30)
  --json             write the findings as JSON lines

Exit codes: 0 nothing is wrong, 1 something is.`;

/**
 * @typedef {object} Options
 * @property {string} script
 * @property {string} inputs
 * @property {boolean} txt
 * @property {number} count
 * @property {string[]} [stages]
 * @property {number} timeoutMs
 * @property {boolean} json
 */

/**
 * @param {string[]} args
 * @returns {Options | "help"}
 */
export function readOptions(args) {
  const { values, positionals } = parsed(args);
  if (values.help) return "help";
  const [script, inputs, ...more] = positionals;
  if (inputs === undefined || more.length > 0) {
    throw new Failure(`check takes the path of a script and a file of inputs.\n\n${usage}`);
  }
  const { stage = "a" } = values;
  if (!/^[a-e]+$/.test(stage) || !"abcde".includes(stage)) {
    throw new Failure(
      `--stage takes letters from a to e that follow each other, such as ab, not "${stage}".`,
    );
  }
  return {
    script,
    inputs,
    txt: values.txt ?? false,
    count: number(values.count, { name: "count", fallback: 3, most: 100_000 }),
    stages: values.stage === undefined ? undefined : [...stage],
    timeoutMs: 1000 * number(values.timeout, { name: "timeout", fallback: 30, most: 86_400 }),
    json: values.json ?? false,
  };
}

function number(text, { name, fallback, most }) {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new Failure(`--${name} takes a whole number from 1 to ${most}, not "${text}".`);
}

function parsed(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        txt: { type: "boolean" },
        count: { type: "string" },
        stage: { type: "string" },
        timeout: { type: "string" },
        json: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new Failure(`${messageOf(error)}\n\n${usage}`);
  }
}
