// What a volunteer's browser does with a job. It runs in web workers, one for each core.

import { work } from "distcompute-client";

/** The output of stage a is the input of stage b. */
const stages = { a: factor, b: check };

work((job, context) => stages[job.stage](job.data, context));

/** Stage a: finds the prime factors of a number. */
function factor({ number }, { progress }) {
  const factors = [];
  let rest = number;
  for (let candidate = 2; candidate * candidate <= rest; candidate += 1) {
    while (rest % candidate === 0) {
      factors.push(candidate);
      rest /= candidate;
    }
    if (candidate % 1000 === 0) progress(candidate, Math.sqrt(number));
  }
  if (rest > 1) factors.push(rest);
  return { number, factors };
}

/** Stage b: checks what a volunteer has returned, which may be anything. Invalid input goes back to stage a. */
function check({ number, factors }, { invalid }) {
  if (!(Number.isSafeInteger(number) && number < 1e13))
    invalid("the number is none of this project");
  if (!Array.isArray(factors) || factors.length === 0) invalid("there are no factors");
  // A factor of 1e300 would keep isPrime busy for ever.
  if (!factors.every((factor) => Number.isSafeInteger(factor) && factor > 1 && factor <= number))
    invalid("a factor is no factor of the number");
  const product = factors.reduce((product, factor) => product * factor, 1);
  if (product !== number) invalid("the product of the factors is another number");
  if (!factors.every(isPrime)) invalid("a factor is no prime number");
  return { number, factors };
}

function isPrime(number) {
  for (let factor = 2; factor * factor <= number; factor += 1) {
    if (number % factor === 0) return false;
  }
  return number > 1;
}
