// Bytes as base64, in which pieces and shards travel.

/** @param {Uint8Array} bytes */
export function encodeBase64(bytes) {
  let text = "";
  // In pieces, because very long argument lists overflow the stack.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/**
 * Returns undefined if the text is not base64.
 *
 * @param {unknown} text
 */
export function decodeBase64(text) {
  if (typeof text !== "string") return undefined;
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
