// The texts of inputs and outputs, which the tracker stores as an array with one element. Anybody who can
// reach the tracker can send it a result, so each text is checked before it becomes a line of output.

/** The mark with which texts begin that are JSON. */
const mark = "<!json!>";

/**
 * The JSON text of a value on one line, or `undefined` if the stored text is not an array with one element.
 *
 * @param {string} data
 */
export function unwrapped(data) {
  if (!data.startsWith(mark)) return undefined;
  const text = data.slice(mark.length);
  // Rare, and not worth the digits.
  const named = text.includes('"$file"');
  let parsed;
  try {
    parsed = JSON.parse(text, named ? withoutAddress : undefined);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed) || parsed.length !== 1) return undefined;
  // The text as it was written keeps digits that a number of JavaScript does not have.
  const isPlain = !named && text.startsWith("[") && text.endsWith("]") && !/[\n\r]/.test(text);
  return isPlain ? text.slice(1, -1) : JSON.stringify(parsed[0]);
}

/** A value; a reference to a file without the address that trackers with public results give it, and which expires. */
function withoutAddress(_, value) {
  if (value?.$file && typeof value.url === "string") delete value.url;
  return value;
}
