// Time limits for what the work can do without. No rule belongs here.

/** Settles as `promise` does, or rejects with a `TimeoutError` after `ms`. */
export function within(promise, ms) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error("It did not answer in time.");
      reject(Object.assign(error, { code: "timeout" }));
    }, ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
