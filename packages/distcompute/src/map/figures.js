// The line that shows how far the work is.

/**
 * @typedef {object} Figures
 * @property {number} total inputs so far
 * @property {boolean} isAll whether these are all inputs
 * @property {number} done
 * @property {number} failed
 * @property {number} held jobs in work
 * @property {number} volunteers
 * @property {number} cores of this machine that compute
 * @property {number} perSecond
 */

const grouped = (number) => number.toLocaleString("en-US");

/** @param {Figures} figures */
export function progressText(figures) {
  const { total, isAll, done, failed, held, volunteers, cores, perSecond } = figures;
  const left = total - done - failed;
  const parts = [`${grouped(done)} of ${grouped(total)}${isAll ? "" : "+"} done`];
  if (failed > 0) parts.push(`${grouped(failed)} failed`);
  parts.push(`${grouped(held)} in work`, `${grouped(Math.max(0, left - held))} open`);
  parts.push(counted(volunteers, "volunteer"), `${counted(cores, "core")} here`);
  parts.push(`${rate(perSecond)} jobs/s`);
  if (isAll && left > 0 && perSecond > 0) parts.push(`${duration(left / perSecond)} left`);
  return parts.join(" · ");
}

function counted(number, noun) {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function rate(perSecond) {
  return perSecond < 10 ? perSecond.toFixed(1) : grouped(Math.round(perSecond));
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** How often a line is printed where the stream is no terminal, in milliseconds. */
const plainMs = 10_000;

/** Shows one line on a terminal, and now and then a line elsewhere. */
export class LiveLine {
  #stream;
  #shown = false;
  #printedAt = -Infinity;

  /** @param {NodeJS.WriteStream} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /** @param {string} text */
  show(text, now = performance.now()) {
    if (this.#stream.isTTY) {
      const width = Math.max(20, this.#stream.columns ?? 80);
      const fitting = text.length < width ? text : `${text.slice(0, width - 2)}…`;
      this.#stream.write(`\r\x1b[2K${fitting}`);
      this.#shown = true;
    } else if (now - this.#printedAt >= plainMs) {
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
