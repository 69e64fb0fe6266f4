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

test("the tiles cover the poster without gaps and are clipped at its edges", () => {
  const frames = Array.from({ length: tileCount(poster) }, (_, index) => frame(poster, index));
  assert.equal(frames.length, 6);
  assert.deepEqual(frames[5], { x: 40, y: 20, width: 10, height: 10 });
  const area = frames.reduce((sum, { width, height }) => sum + width * height, 0);
  assert.equal(area, 50 * 30);
});

test("indices out of range or between two tiles have no frame", () => {
  for (const index of [-1, 6, 0.5, NaN, undefined]) assert.equal(frame(poster, index), undefined);
});

test("bytes and times are the same after encoding and decoding", () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => at % 256);
  assert.deepEqual(decodeBytes(encodeBytes(bytes)), bytes);
  const times = Uint16Array.of(0, 1, 255, 256, 65_535);
  assert.deepEqual(decodeTimes(encodeTimes(times)), times);
});

test("times are encoded in little-endian order", () => {
  assert.equal(encodeTimes(Uint16Array.of(0x0102)), Buffer.from([2, 1]).toString("base64"));
});

test("text that is not base64, or that ends within a time, is not decoded", () => {
  for (const text of ["*", 7, null, undefined, {}]) assert.equal(decodeBytes(text), undefined);
  assert.equal(decodeTimes(Buffer.from([1, 2, 3]).toString("base64")), undefined);
});
