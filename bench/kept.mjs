// Stores the figures of a long benchmark in a file, so that an interrupted run can be resumed.

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * @param {{ file: string, from: string, resume: boolean }} wanted `from` identifies the code that the
 *   figures depend on; figures with another value are discarded
 * @returns {{ has: (key: string) => boolean, of: <T>(key: string, make: () => Promise<T>) => Promise<T> }}
 *   `of` returns a stored value, or calls `make` and stores its result
 */
export function openKept({ file, from, resume }) {
  const values = new Map(resume ? known(file, from) : []);
  mkdirSync(dirname(file), { recursive: true });
  const write = (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`);
  writeFileSync(file, `${JSON.stringify({ from })}\n`);
  for (const [key, value] of values) write([key, value]);
  const made = new Map();
  const make = async (key, measure) => {
    const value = await measure();
    write([key, value]);
    values.set(key, value);
    return value;
  };
  const of = async (key, measure) => {
    if (values.has(key)) return values.get(key);
    if (!made.has(key)) made.set(key, make(key, measure));
    try {
      return await made.get(key);
    } finally {
      made.delete(key);
    }
  };
  return { has: (key) => values.has(key), of };
}

/** The entries of a file if its `from` is the same. The last line may be incomplete. */
function known(file, from) {
  if (!existsSync(file)) return [];
  const [head, ...lines] = readFileSync(file, "utf8").split("\n").flatMap(parsed);
  return head?.from === from ? lines : [];
}

function parsed(line) {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
