import assert from "node:assert/strict";
import { test } from "node:test";

import { colouredPixels, fields, greyPixels } from "../../www/picture.js";
import { encodeBytes, encodeTimes } from "../../www/tile.js";

const size = { width: 2, height: 2 };
const palette = { inside: "#000000", colours: ["#ffffff", "#000000"], turns: 1, start: 0 };
const poster = { width: 2, height: 2, tile: 2, samples: 2, palette };
const result = (value) => `<!json!>${JSON.stringify(value)}`;

test("a checked tile has exactly the submitted colours", () => {
  const rgb = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
  const pixels = colouredPixels(size, result({ tile: 0, rgb: encodeBytes(rgb) }));
  assert.deepEqual([...pixels], [1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 255]);
});

test("an unchecked tile is grey, dimmer than the palette, with one sample per pixel", () => {
  const times = new Uint16Array(16).fill(0xffff);
  // Samples 0 and 2 of the first row are the first two pixels.
  times[0] = 16;
  times[2] = 24;
  const pixels = greyPixels(poster, size, result({ tile: 0, times: encodeTimes(times) }));
  const [first, second, third] = [0, 4, 8].map((at) => [...pixels.subarray(at, at + 4)]);
  for (const [red, green, blue, opacity] of [first, second, third]) {
    assert.ok(red === green && green === blue && red < 200 && opacity === 255);
  }
  assert.ok(first[0] > second[0], "white is brighter than what lies between white and black");
  assert.equal(third[0], 0);
});

test("malformed results are not painted", () => {
  const few = encodeBytes(Uint8Array.of(1, 2, 3));
  const datas = [
    ...["", "text", "<!json!>", "<!json!>null", "<!json!>[", result(7), result({ rgb: "***" })],
    ...[result({ rgb: few, times: few }), result({ rgb: { length: 12 }, times: [1] })],
  ];
  for (const data of datas) {
    assert.equal(colouredPixels(size, data), undefined, data);
    assert.equal(greyPixels(poster, size, data), undefined, data);
  }
});

test("only text after the mark is parsed as JSON", () => {
  assert.deepEqual(fields('{"rgb":""}'), {});
  assert.deepEqual(fields('<!json!>{"rgb":""}'), { rgb: "" });
});
