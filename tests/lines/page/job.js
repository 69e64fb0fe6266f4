// Jobs that take about a millisecond. Their input begins with how many kilobytes they make.

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

let noise = "";

/** Text that no compression makes smaller than three quarters. */
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
