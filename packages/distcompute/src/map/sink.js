// Where outputs and failed jobs are written.

import {
  createWriteStream,
  existsSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  closeSync,
} from "node:fs";
import { once } from "node:events";

/** Writes lines to a stream, and waits while its reader is slow. */
export class Sink {
  #stream;
  /** The error of the stream, for example because its reader is gone. */
  error;

  /** @param {import("node:stream").Writable} stream */
  constructor(stream) {
    this.#stream = stream;
    stream.on("error", (error) => (this.error ??= error));
  }

  /** @param {string[]} lines */
  async write(lines) {
    if (this.error) throw this.error;
    if (lines.length === 0) return;
    if (!this.#stream.write(`${lines.join("\n")}\n`)) {
      await Promise.race([once(this.#stream, "drain"), once(this.#stream, "close")]);
    }
    if (this.error) throw this.error;
  }

  async end() {
    if (this.#stream === process.stdout || this.#stream === process.stderr) return;
    this.#stream.end();
    await once(this.#stream, "finish");
  }
}

/**
 * Opens a file to append lines to. The part of a line that a killed process left at the end is removed.
 *
 * @param {string} file
 * @returns {Sink}
 */
export function openSink(file) {
  if (existsSync(file)) truncateSync(file, lengthOfLines(file));
  return new Sink(createWriteStream(file, { flags: "a" }));
}

/** The length of a file up to the end of its last complete line, in bytes. */
function lengthOfLines(file) {
  const size = statSync(file).size;
  const descriptor = openSync(file, "r");
  try {
    const chunk = Buffer.alloc(65_536);
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - chunk.length);
      readSync(descriptor, chunk, 0, end - start, start);
      const at = chunk.subarray(0, end - start).lastIndexOf(10);
      if (at >= 0) return start + at + 1;
      end = start;
    }
    return 0;
  } finally {
    closeSync(descriptor);
  }
}
