// When an attacker does what, and what honest clients make of their answers: rules without a clock.

/**
 * When a step of an attack is due, in milliseconds from its begin. All lanes begin at once; with a
 * number of steps the others are spread over the rest of the time.
 *
 * @param {number} count
 * @param {{ lanes: number, steps?: number, seconds: number }} attack
 */
export function dueMs(count, { lanes, steps, seconds }) {
  if (steps === undefined || count < lanes) return 0;
  if (count >= steps) return Infinity;
  return (1_000 * seconds * (count - lanes + 1)) / (steps - lanes + 1);
}

/** What the protocol says that a client tries again, after a moment. */
const passing = new Set([408, 421, 425, 429, 502, 503, 504]);

/**
 * How long a client waits until it sends the same again, in milliseconds; undefined where the answer is
 * the last word.
 *
 * @param {{ status?: number, headers?: Record<string, string> }} answer without a status, none came
 */
export function retryMs({ status, headers }) {
  if (status === undefined) return 1_000;
  if (!passing.has(status)) return undefined;
  return 1_000 * (Number(headers?.["retry-after"]) || 1);
}

/**
 * Results that were handed in and of which the answer does not say that they are in the books.
 *
 * @param {{ lease: string }[]} done
 * @param {{ accepted: string[] }} answer
 */
export function refused(done, { accepted }) {
  const known = new Set(accepted);
  return done.filter(({ lease }) => !known.has(lease)).length;
}
