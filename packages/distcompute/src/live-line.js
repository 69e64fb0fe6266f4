// The line of a terminal that shows how far the work is.

/** Shows one line on a terminal, and now and then a line elsewhere. */
export class LiveLine {
  #stream;
  #everyMs;
  #shown = false;
  #printedAt = -Infinity;

  /**
   * @param {NodeJS.WriteStream} stream
   * @param {number} everyMs how often a line is printed where the stream is no terminal
   */
  constructor(stream, everyMs = 10_000) {
    this.#stream = stream;
    this.#everyMs = everyMs;
  }

  /** @param {string} text */
  show(text, now = performance.now()) {
    if (this.#stream.isTTY) {
      const width = Math.max(20, this.#stream.columns ?? 80);
      const fitting = text.length < width ? text : `${text.slice(0, width - 2)}…`;
      this.#stream.write(`\r\x1b[2K${fitting}`);
      this.#shown = true;
    } else if (now - this.#printedAt >= this.#everyMs) {
      this.#printedAt = now;
      this.#stream.write(`${text}\n`);
    }
  }

  /** Prints a whole line above the live one. @param {string} text */
  print(text) {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  clear() {
    if (this.#shown) this.#stream.write("\r\x1b[2K");
    this.#shown = false;
  }
}
