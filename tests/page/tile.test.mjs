import assert from "node:assert/strict";
import { test } from "node:test";

import {
  decodeBytes,
  decodeTimes,
  encodeBytes,
  encodeTimes,
  frame,
  tileCount,
} from "../../www/tile.js";

const poster = { width: 50, height: 30, tile: 20 };

test("the tiles cover the poster without a gap, the last ones cut at its edges", () => {
  const frames = Array.from({ length: tileCount(poster) }, (_, index) => frame(poster, index));
  assert.equal(frames.length, 6);
  assert.deepEqual(frames[5], { x: 40, y: 20, width: 10, height: 10 });
  const area = frames.reduce((sum, { width, height }) => sum + width * height, 0);
  assert.equal(area, 50 * 30);
});

test("there is no tile beyond the last, nor between two", () => {
  for (const index of [-1, 6, 0.5, NaN, undefined]) assert.equal(frame(poster, index), undefined);
});

test("bytes and times survive the way to text and back", () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => at % 256);
  assert.deepEqual(decodeBytes(encodeBytes(bytes)), bytes);
  const times = Uint16Array.of(0, 1, 255, 256, 65_535);
  assert.deepEqual(decodeTimes(encodeTimes(times)), times);
});

test("times are written low byte first, whatever the machine", () => {
  assert.equal(encodeTimes(Uint16Array.of(0x0102)), Buffer.from([2, 1]).toString("base64"));
});

test("what is not base64, or half a time, is not read", () => {
  for (const text of ["*", 7, null, undefined, {}]) assert.equal(decodeBytes(text), undefined);
  assert.equal(decodeTimes(Buffer.from([1, 2, 3]).toString("base64")), undefined);
});
