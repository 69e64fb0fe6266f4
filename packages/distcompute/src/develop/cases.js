// The cases of a project's tests: inputs of the function, with what it must return.

import { isDeepStrictEqual } from "node:util";

import { cut, judge } from "../check/judge.js";
import { Failure } from "../failure.js";

/**
 * @typedef {object} Case
 * @property {number} line
 * @property {string} stage
 * @property {unknown} data
 * @property {unknown} [output]
 * @property {"invalid" | "failed"} [failure]
 */

const members = ["stage", "data", "output", "failure"];

/**
 * @param {string} text
 * @param {string} path for errors
 * @returns {Case[]}
 */
export function readCases(text, path) {
  const cases = text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === "") return [];
    return [readCase(line, `Line ${index + 1} of ${path}`, index + 1)];
  });
  if (cases.length === 0) throw new Failure(`${path} has no cases.`);
  return cases;
}

function readCase(text, place, line) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Failure(`${place} is not JSON: ${cut(text, 100)}`);
  }
  const isObject = Object(found) === found && !Array.isArray(found);
  const unknown = isObject && Object.keys(found).find((name) => !members.includes(name));
  if (unknown) {
    throw new Failure(
      `${place} has an unknown member "${unknown}". Known are: ${members.join(", ")}.`,
    );
  }
  if (!isObject || !("data" in found) || "output" in found === "failure" in found) {
    throw new Failure(`${place} must have "data", and "output" or "failure".`);
  }
  const { stage = "a", failure } = found;
  if (!/^[a-e]$/.test(stage)) throw new Failure(`${place} has a stage that is none of a to e.`);
  if (failure !== undefined && failure !== "invalid" && failure !== "failed") {
    throw new Failure(`${place} has a failure that is neither "invalid" nor "failed".`);
  }
  return { line, ...found, stage };
}

/**
 * What is wrong with the outcome of a case; undefined if nothing is.
 *
 * @param {Case} expected
 * @param {import("../check/trial.js").Ran} ran
 */
export function compare(expected, ran) {
  const text = (value) => cut(JSON.stringify(value), 500);
  const kind = ran.failure?.kind;
  if (expected.failure !== undefined) {
    if (kind === expected.failure) return undefined;
    const happened =
      ran.output === undefined ? judge(ran)[0]?.message : `it returned ${text(ran.output)}`;
    return `expected that the handler ${expected.failure === "invalid" ? "calls invalid" : "throws"}: ${happened}`;
  }
  const [error] = judge(ran).filter(({ level }) => level === "error");
  if (error) return error.message;
  if (isDeepStrictEqual(ran.output, expected.output)) return undefined;
  return `another output\nexpected: ${text(expected.output)}\nfound:    ${text(ran.output)}`;
}
