// The position of a tile in the poster, and the text encoding of its results. Used by the workers and
// by the picture.

/**
 * The part of the poster's parameter file that the page itself reads; the kernel reads all of it.
 *
 * @typedef {object} Parameters
 * @property {number} width
 * @property {number} height
 * @property {number} tile
 * @property {number} samples
 * @property {{ inside: string, colours: string[], turns: number, start: number }} palette
 */

/**
 * Returns the rectangle of tile `index` in pixels, or undefined if there is no such tile.
 *
 * @param {Parameters} poster
 * @param {number} index
 */
export function frame(poster, index) {
  if (!Number.isInteger(index) || index < 0 || index >= tileCount(poster)) return undefined;
  const columns = Math.ceil(poster.width / poster.tile);
  const x = (index % columns) * poster.tile;
  const y = Math.floor(index / columns) * poster.tile;
  return {
    x,
    y,
    width: Math.min(poster.tile, poster.width - x),
    height: Math.min(poster.tile, poster.height - y),
  };
}

/** @param {Parameters} poster */
export function tileCount(poster) {
  return Math.ceil(poster.width / poster.tile) * Math.ceil(poster.height / poster.tile);
}

/**
 * Encodes bytes as base64.
 *
 * @param {Uint8Array} bytes
 */
export function encodeBytes(bytes) {
  let text = "";
  // In pieces, because very long argument lists overflow the stack.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

/**
 * Decodes base64. Returns undefined if the text is not base64.
 *
 * @param {unknown} text
 */
export function decodeBytes(text) {
  if (typeof text !== "string") return undefined;
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/**
 * Encodes escape times as base64, two bytes each in little-endian order on every platform.
 *
 * @param {Uint16Array} times
 */
export function encodeTimes(times) {
  const view = new DataView(new ArrayBuffer(times.length * 2));
  times.forEach((time, at) => view.setUint16(at * 2, time, true));
  return encodeBytes(new Uint8Array(view.buffer));
}

/**
 * Decodes the output of `encodeTimes`. Returns undefined if the text is something else.
 *
 * @param {unknown} text
 */
export function decodeTimes(text) {
  const bytes = decodeBytes(text);
  if (!bytes || bytes.length % 2 !== 0) return undefined;
  const view = new DataView(bytes.buffer);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, at) => view.getUint16(at * 2, true));
}
