import assert from "node:assert/strict";
import { test } from "node:test";

import { pictureSentence } from "../../www/sentence.js";

test("the picture's sentence explains grey tiles only if there are some", () => {
  const tiles = 160;
  const sentence = (checked, rendered) => pictureSentence({ tiles, checked, rendered });
  assert.equal(sentence(0, 0), "None of 160 tiles is painted yet.");
  assert.equal(sentence(43, 0), "43 of 160 tiles painted and checked.");
  assert.match(sentence(43, 2), /43 of 160 .* 2 more in grey/);
  assert.equal(sentence(160, 0), "All 160 tiles painted and checked.");
});
