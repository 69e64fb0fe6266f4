// The options of `distcompute work`.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { address } from "../address.js";
import { Failure, messageOf } from "../failure.js";

export const usage = `Usage: distcompute work URL [options]

Computes for the project of the tracker at URL, without a browser: it runs the worker script that the
project's volunteer page runs, in threads of Node, until it is stopped. Press Ctrl-C once to finish what
runs and stop, twice to stop at once.

The script is code from another machine. It runs only if its host is trusted, and with as few permissions
as Node can give it (see SECURITY.md).

  --cores N             how many cores compute (default: all but one)
  --intensity PERCENT   the share of time that each core works: 10 to 100 (default 100)
  --nickname NAME       the public name to which results are credited (default anonymous)
  --stages LETTERS      the stages to work at, such as ab (default: all)
  --worker URL          the worker script (default: worker.js beside the tracker's volunteer page)
  --trust-code HOST     run scripts of this host; repeat for more. On a terminal, you are asked otherwise
  --join-key-file FILE  a file with the join key of a project that is not for everybody. It may also be at
                        the end of URL (#key=…) or in DISTCOMPUTE_JOIN_KEY
  --state DIR           where jobs and results are kept that are under way (default: .distcompute/ and the
                        tracker's host), with the key by which the tracker knows this volunteer again
  --show-key            print the key's thumbprint, which an operator names in operator_keys, and end

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 130 stopped at once, 1 an error.`;

/**
 * @typedef {object} Options
 * @property {URL} url
 * @property {number} cores
 * @property {number} intensity
 * @property {string} nickname
 * @property {string[]} [stages] letters; all of the project without it
 * @property {string} [worker] the address of the worker script
 * @property {string[]} trusted hosts
 * @property {string} [joinKey]
 * @property {string} state
 * @property {boolean} showKey
 */

/**
 * @param {string[]} args
 * @returns {Options | "help"}
 */
export function readOptions(args, env = process.env, cores = availableParallelism()) {
  const { values, positionals } = parsed(args);
  if (values.help) return "help";
  const [given, ...more] = positionals;
  if (given === undefined || more.length > 0) {
    throw new Failure(`work takes the address of one tracker.\n\n${usage}`);
  }
  const number = (name, fallback, least, most) => {
    const text = values[name];
    if (text === undefined) return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new Failure(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
  };
  const url = address(given, "the tracker");
  const key = new URLSearchParams(url.hash.slice(1)).get("key") ?? undefined;
  url.hash = "";
  url.search = "";
  if (values.stages !== undefined && !/^[a-e]+$/.test(values.stages)) {
    throw new Failure(`--stages takes letters from a to e, such as ab, not "${values.stages}".`);
  }
  return {
    url,
    cores: number("cores", Math.max(1, cores - 1), 1, 1024),
    intensity: number("intensity", 100, 10, 100),
    nickname: values.nickname ?? "anonymous",
    stages: values.stages === undefined ? undefined : [...new Set(values.stages)].sort(),
    worker: values.worker,
    trusted: values["trust-code"] ?? [],
    joinKey: keyOf(values["join-key-file"]) ?? key ?? (env.DISTCOMPUTE_JOIN_KEY || undefined),
    state: values.state ?? join(".distcompute", url.host.replaceAll(/[^\w.-]/g, "_")),
    showKey: values["show-key"] ?? false,
  };
}

function keyOf(file) {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new Failure(`The join key cannot be read: ${messageOf(error)}`);
  }
}

function parsed(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        cores: { type: "string" },
        intensity: { type: "string" },
        nickname: { type: "string" },
        stages: { type: "string" },
        worker: { type: "string" },
        "trust-code": { type: "string", multiple: true },
        "join-key-file": { type: "string" },
        state: { type: "string" },
        "show-key": { type: "boolean" },
      },
    });
  } catch (error) {
    throw new Failure(`${messageOf(error)}\n\n${usage}`);
  }
}
