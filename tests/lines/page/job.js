// Jobs that take about a millisecond. Their input starts with the size of their output in kilobytes.

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

let noise = "";

/** Random text, which compression reduces to three quarters at best. */
function text(length) {
  const bytes = new Uint8Array(65_536);
  while (noise.length < length + 10_000) {
    crypto.getRandomValues(bytes);
    noise += Array.from(bytes, (byte) => letters[byte & 63]).join("");
  }
  const from = Math.floor(Math.random() * 10_000);
  return noise.slice(from, from + length);
}

export function work(input) {
  const kb = Number.parseInt(input, 10);
  const output = kb > 0 ? text(1_000 * kb) : String(input.length);
  const end = performance.now() + 1;
  while (performance.now() < end);
  return output;
}
