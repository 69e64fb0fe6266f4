// Where everything random of a case comes from: a list of small numbers. The same list is the same
// case, on any machine, and a shorter list of smaller numbers is a simpler case: so whatever fails can
// be made simple without knowing what it is.

/** A generator of numbers from 0 to 2^32 - 1 (Steele and Vigna's splitmix32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

export class Choices {
  /** What was chosen so far. */
  taken = [];

  #next;

  /** Chooses at random. */
  static from(seed) {
    return new Choices(random(seed));
  }

  /** Chooses as before; where nothing was chosen, the simplest. */
  static again(taken) {
    let at = 0;
    return new Choices(() => taken[at++] ?? 0);
  }

  constructor(next) {
    this.#next = next;
  }

  /** One of 0 to `count - 1`; 0 is the simplest. */
  below(count) {
    const choice = this.#next() % count;
    this.taken.push(choice);
    return choice;
  }

  /** True once in `count` times. */
  once(count) {
    return this.below(count) === count - 1;
  }

  /** One of a list, of which the first is the simplest. */
  of(list) {
    return list[this.below(list.length)];
  }

  /** A list of up to `most` things that `make` makes. */
  list(most, make) {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

/**
 * The simplest choices that `fails` says still fail.
 *
 * @param {number[]} choices
 * @param {(choices: number[]) => Promise<boolean>} fails
 * @param {number} end until when to try, by `performance.now()`
 */
export async function shrunk(choices, fails, end) {
  let best = choices;
  const takes = async (candidate) => {
    if (performance.now() > end || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before; before !== best;) {
    before = best;
    for (let size = best.length >> 1 || 1; size > 0; size >>= 1) {
      for (let at = best.length - size; at >= 0; at -= size) {
        await takes([...best.slice(0, at), ...best.slice(at + size)]);
      }
    }
    for (let at = 0; at < best.length; at += 1) {
      for (const smaller of [0, best[at] >> 1, best[at] - 1]) {
        const candidate = best.with(at, smaller);
        if (smaller >= 0 && smaller < best[at] && (await takes(candidate))) break;
      }
    }
  }
  return best;
}
