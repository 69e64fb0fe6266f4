// What a volunteer's browser does with a job. It runs in web workers, one for each core.

import { work } from "distcompute-client";

work(({ data: { from, to } }, { progress }) => {
  let primes = 0;
  for (let number = from; number < to; number += 1) {
    if (isPrime(number)) primes += 1;
    progress(number + 1 - from, to - from); // also lets the volunteer pause and stop this core
  }
  return { primes };
});

function isPrime(number) {
  if (number < 4) return number > 1;
  if (number % 2 === 0) return false;
  for (let factor = 3; factor * factor <= number; factor += 2) {
    if (number % factor === 0) return false;
  }
  return true;
}
