// Which outputs are written next. Pure: outputs arrive in the order of completion and leave in the order
// of their inputs, with a bounded amount of text in memory.

/** A set of numbers of jobs, one bit each. */
export class Numbers {
  #bits = new Uint8Array(1024);

  has(number) {
    return ((this.#bits[number >> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  add(number) {
    const at = number >> 3;
    if (at >= this.#bits.length) {
      const larger = new Uint8Array(Math.max(at + 1, 2 * this.#bits.length));
      larger.set(this.#bits);
      this.#bits = larger;
    }
    this.#bits[at] |= 1 << (number & 7);
  }
}

/**
 * Puts outputs into the order of their numbers, from 1.
 *
 * While one output is missing, later ones are kept in memory up to `mostBytes`. Of those beyond that only
 * the numbers are kept; `take` asks for their texts again when it is their turn.
 */
export class Order {
  /** The number that is written next. */
  next;
  #texts = new Map();
  #bytes = 0;
  #done = new Numbers();
  #failed = new Set();
  #mostBytes;

  constructor({ next = 1, mostBytes = 64e6 } = {}) {
    this.next = next;
    this.#mostBytes = mostBytes;
  }

  /** An output has arrived. Does nothing if it is known or written already. */
  done(number, text) {
    if (number < this.next || this.#done.has(number)) return;
    this.#done.add(number);
    this.#keep(number, text);
  }

  #keep(number, text) {
    if (this.#bytes + text.length > this.#mostBytes && number !== this.next) return;
    this.#texts.set(number, text);
    this.#bytes += text.length;
  }

  /** The text of a finished job has been fetched again. */
  again(number, text) {
    if (number >= this.next && this.#done.has(number) && !this.#texts.has(number)) {
      this.#keep(number, text);
    }
  }

  /** A job has failed for good. Returns whether that is new. */
  failed(number) {
    if (number < this.next || this.#failed.has(number)) return false;
    this.#failed.add(number);
    return true;
  }

  /**
   * Takes the texts that are to be written now.
   *
   * @returns {{ texts: string[], missing: number[] }} `missing` are finished jobs whose texts are to be
   *   fetched again, at most 100
   */
  take() {
    const texts = [];
    for (;;) {
      const text = this.#texts.get(this.next);
      if (text !== undefined) {
        this.#texts.delete(this.next);
        this.#bytes -= text.length;
        texts.push(text);
      } else if (!this.#failed.delete(this.next)) {
        break;
      }
      this.next += 1;
    }
    const missing = [];
    for (let number = this.next; missing.length < 100 && this.#done.has(number); number += 1) {
      if (!this.#texts.has(number)) missing.push(number);
    }
    return { texts, missing };
  }
}

/**
 * The number that follows those that a file of outputs contains: it has no line for failed jobs.
 *
 * @param {number} lines how many outputs the file contains
 * @param {number[]} failed the numbers of failed jobs, in ascending order
 */
export function nextAfter(lines, failed) {
  let next = lines + 1;
  for (const number of failed) {
    // A failed job that comes after the last line in the file is still to be reported.
    if (number < next) next += 1;
  }
  return next;
}
