// Reads lines from a stream, and turns inputs into jobs.

import { Failure, messageOf } from "../failure.js";

/** No line may be longer: the tracker accepts jobs of 16 MB. */
const longest = 15_000_000;

/**
 * The lines of a stream of UTF-8, without their ends. An empty line at the end is no line.
 *
 * @param {AsyncIterable<Buffer | string>} stream
 * @returns {AsyncGenerator<string>}
 */
export async function* lines(stream) {
  for await (const group of lineGroups(stream)) yield* group;
}

/**
 * The same, as many at a time as have come at once.
 *
 * @param {AsyncIterable<Buffer | string>} stream
 * @returns {AsyncGenerator<string[]>}
 */
export async function* lineGroups(stream) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  let count = 0;
  const decode = (chunk, more) => {
    try {
      return decoder.decode(chunk, { stream: more });
    } catch {
      throw new Failure(`The inputs are not valid UTF-8, somewhere after line ${count}.`);
    }
  };
  for await (const chunk of stream) {
    const parts = (typeof chunk === "string" ? chunk : decode(chunk, true)).split("\n");
    parts[0] = rest + parts[0];
    rest = parts.pop() ?? "";
    if (rest.length > longest) {
      throw new Failure(`Line ${count + parts.length + 1} is longer than ${longest} characters.`);
    }
    count += parts.length;
    if (parts.length > 0) yield parts.map(withoutReturn);
  }
  rest += decode(undefined, false);
  if (rest !== "") yield [rest];
}

/** @param {string} line */
const withoutReturn = (line) => (line.endsWith("\r") ? line.slice(0, -1) : line);

/**
 * The job for an input, as a line of the tracker's import. It is an array with one element, because a job
 * cannot be a number, `true` or `null`, and an input may be.
 *
 * @param {string} line
 * @param {{ txt: boolean, number: number, hasFiles?: boolean }} options `number` is that of the line, for the error;
 *   `hasFiles`: the tracker may have files that inputs name
 */
export function jobLine(line, { txt, number, hasFiles = false }) {
  if (txt) return JSON.stringify([line]);
  let named = false;
  const look = (_, value) => {
    named ||= Object(value) === value && Object.hasOwn(value, "$file");
    // What is in it was looked at before it.
    return Object(value) === value ? null : value;
  };
  try {
    JSON.parse(line, line.includes("file") ? look : undefined);
  } catch (error) {
    throw new Failure(
      `Line ${number} of the inputs is not JSON: ${messageOf(error)}. With --txt, lines are plain text.`,
    );
  }
  if (named && !hasFiles) {
    throw new Failure(
      `Line ${number} of the inputs has an object with "$file", which names a file of the tracker, and the tracker ` +
        "that map starts has none. Call the member something else, or upload the files to a tracker of your own " +
        "and name it with --tracker.",
    );
  }
  return `[${line.trim()}]`;
}
