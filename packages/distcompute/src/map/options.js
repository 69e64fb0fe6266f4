// The options of `distcompute map`.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, extname, join } from "node:path";
import { parseArgs } from "node:util";

import { address as trackerAddress } from "../address.js";
import { Failure, messageOf } from "../failure.js";

export const usage = `Usage: distcompute map FUNCTION [INPUTS] [options]

Runs the function that the module FUNCTION exports on each line of INPUTS (default: standard input), and
writes the outputs in the order of the inputs. Everybody who opens the printed address computes along.
Press Ctrl-C once to finish what runs and stop; the same command continues where it stopped.

  --txt              inputs are plain lines (default: a JSON value on each line)
  --output FILE      write to FILE, and continue it where it ended (default: standard output, from the
                     first output on)
  --unordered        write {"number": …, "output": …} as soon as each output is there
  --errors FILE      write failed jobs to FILE (default: standard error)
  --attempts N       how often a job is tried before it counts as failed (default 3)
  --local N          how many cores of this machine compute (default: all but one; 0 for none)
  --listen ADDRESS   address and port of the volunteer page (default 127.0.0.1:8080, or the next free
                     port; 0.0.0.0 lets other machines of the network join)
  --state DIR        where jobs and outputs are stored (default: .distcompute/ and the function's name)
  --fresh            delete what is stored there and begin anew

  --tracker URL      use a tracker that exists, and its project, which must have no jobs of others
  --admin-token-file FILE, --join-key-file FILE
                     the tracker's admin token, and its join key if it has one

Exit codes: 0 all jobs are done, 2 some failed, 1 another error, 130 stopped by Ctrl-C.`;

/**
 * @typedef {object} Options
 * @property {string} module path of the function's module
 * @property {string} [inputs] path of the inputs; standard input without it
 * @property {boolean} txt
 * @property {string} [output]
 * @property {boolean} unordered
 * @property {string} [errors]
 * @property {number} attempts
 * @property {number} local
 * @property {{ host: string, port: number }} listen
 * @property {string} state
 * @property {boolean} fresh
 * @property {{ url: URL, token: string, joinKey?: string }} [tracker] one that exists
 */

/**
 * @param {string[]} args
 * @returns {Options | "help"}
 */
export function readOptions(args, cores = availableParallelism()) {
  const { values, positionals } = parsed(args);
  if (values.help) return "help";
  const [module, inputs, ...more] = positionals;
  if (module === undefined || more.length > 0) {
    throw new Failure(
      `map takes the path of a function and at most one file of inputs.\n\n${usage}`,
    );
  }
  const number = (name, fallback, least, most) => {
    const text = values[name];
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new Failure(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
  };
  return {
    module,
    inputs,
    txt: values.txt ?? false,
    output: values.output,
    unordered: values.unordered ?? false,
    errors: values.errors,
    attempts: number("attempts", 3, 1, 1000),
    local: number("local", Math.max(1, cores - 1), 0, 256),
    listen: address(values.listen ?? "127.0.0.1"),
    state: values.state ?? join(".distcompute", basename(module, extname(module))),
    fresh: values.fresh ?? false,
    tracker: tracker(values),
  };
}

/** @param {ReturnType<typeof parsed>["values"]} values */
function tracker(values) {
  const { "admin-token-file": tokenFile, "join-key-file": keyFile } = values;
  if (values.tracker === undefined) {
    if (tokenFile === undefined && keyFile === undefined) return undefined;
    throw new Failure(
      "--admin-token-file and --join-key-file are for a tracker that exists: --tracker URL.",
    );
  }
  if (tokenFile === undefined) {
    throw new Failure("--tracker needs the tracker's admin token: --admin-token-file FILE.");
  }
  const own = {
    listen: "it is for the tracker that map starts",
    attempts: "the tracker itself has --max-attempts",
    fresh:
      "the tracker's jobs cannot be deleted from here: use `distcompute-tracker import --reset` there",
  };
  for (const [name, why] of Object.entries(own)) {
    if (values[name] !== undefined)
      throw new Failure(`--${name} does not go with --tracker: ${why}.`);
  }
  return {
    url: trackerAddress(values.tracker, "the tracker"),
    token: secretIn(tokenFile),
    joinKey: keyFile === undefined ? undefined : secretIn(keyFile),
  };
}

function secretIn(file) {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${messageOf(error)}`);
  }
}

function parsed(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        txt: { type: "boolean" },
        output: { type: "string" },
        unordered: { type: "boolean" },
        errors: { type: "string" },
        attempts: { type: "string" },
        local: { type: "string" },
        listen: { type: "string" },
        state: { type: "string" },
        fresh: { type: "boolean" },
        tracker: { type: "string" },
        "admin-token-file": { type: "string" },
        "join-key-file": { type: "string" },
      },
    });
  } catch (error) {
    throw new Failure(`${messageOf(error)}\n\n${usage}`);
  }
}

const defaultPort = 8080;

/** @param {string} text such as `0.0.0.0`, `127.0.0.1:8081` or `[::1]:8081` */
function address(text) {
  const match = /^(?<host>\[[0-9a-f:]+\]|[^:[\]]+)(?::(?<port>\d+))?$/i.exec(text);
  const port = Number(match?.groups?.port ?? defaultPort);
  if (!match?.groups?.host || port > 65_535) {
    throw new Failure(`--listen takes an address with or without a port, not "${text}".`);
  }
  return { host: match.groups.host.replace(/^\[|\]$/g, ""), port };
}
