import assert from "node:assert/strict";
import { test } from "node:test";

import { handler } from "../../www/stages.js";
import { encodeTimes } from "../../www/tile.js";

/** A fake kernel in which the escape time of a sample is its index in the tile. */
class Tile {
  width = 40;
  height = 20;
  constructor({ tile }) {
    if (tile > 3) throw new Error("no such tile");
    this.index = tile;
  }
  row(row) {
    return Uint16Array.from({ length: this.width }, (_, column) => row * this.width + column);
  }
  sample(index) {
    return index;
  }
}
const poster = {
  tile: (index) => new Tile({ tile: index }),
  colour: (_, times) => Uint8Array.from(times, (time) => time % 256),
};
const rightTimes = Uint16Array.from({ length: 800 }, (_, at) => at);

class InvalidInput extends Error {}

/** Runs the handler for a job like a worker. */
function run(stage, id, data, changes = {}) {
  return handler(
    { id, data, stage },
    {
      setup: { Tile, poster },
      progress: () => {},
      checkpoint: () => assert.fail("no job here takes so long"),
      invalid: (reason) => {
        throw new InvalidInput(reason);
      },
      ...changes,
    },
  );
}

function refuses(stage, id, data) {
  assert.throws(() => run(stage, id, data), InvalidInput);
}

test("render joins the rows and reports its progress", () => {
  const told = [];
  const output = run("a", 3, { tile: 2 }, { progress: (...so) => told.push(so) });
  assert.deepEqual(output, { tile: 2, times: encodeTimes(rightTimes) });
  assert.equal(told.length, 20);
  assert.deepEqual(told.at(-1), [20, 20]);
});

test("render resumes from a checkpoint, and makes one from time to time", (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => (now += 3000));
  const kept = [];
  run("a", 3, { tile: 2 }, { checkpoint: (state) => kept.push(state) });
  assert.deepEqual(
    kept.map(({ length }) => length / 40),
    [4, 8, 12, 16, 20],
  );
  assert.deepEqual(kept[1], rightTimes.slice(0, 320));
  const told = [];
  const changes = { restored: kept[1], progress: (done) => told.push(done), checkpoint: () => {} };
  assert.deepEqual(run("a", 3, { tile: 2 }, changes), { tile: 2, times: encodeTimes(rightTimes) });
  assert.equal(told[0], 9);
});

test("render rejects an invalid job", () => {
  refuses("a", 3, { tile: 9 });
});

test("check returns the colours of a correct tile", () => {
  const { tile, rgb } = run("b", 3, { tile: 2, times: encodeTimes(rightTimes) });
  assert.equal(tile, 2);
  assert.equal(Buffer.from(rgb, "base64").length, 800);
});

test("check derives the tile from the job's number, not from the output of stage a", () => {
  refuses("b", 2, { tile: 2, times: encodeTimes(rightTimes) });
});

test("check rejects data that is not the result of a tile", () => {
  const datas = [null, "text", 7, [], {}, { tile: 2 }, { tile: 2, times: "***" }];
  for (const data of datas) refuses("b", 3, data);
  refuses("b", 99, { tile: 98, times: encodeTimes(rightTimes) });
});

test("check rejects too few and too many times", () => {
  for (const length of [0, 799, 801]) {
    refuses("b", 3, { tile: 2, times: encodeTimes(Uint16Array.from({ length }, (_, at) => at)) });
  }
});

test("check finds a tile of which a third is wrong", () => {
  // The probability that 64 samples all miss the wrong third is 1 in 200,000,000,000.
  const times = encodeTimes(rightTimes.map((time, at) => (at % 3 === 0 ? time + 1 : time)));
  refuses("b", 3, { tile: 2, times });
});

test("check selects different samples each time", () => {
  const seen = new Set();
  const watched = {
    ...poster,
    tile: (index) => {
      const tile = new Tile({ tile: index });
      tile.sample = (at) => (seen.add(at), at);
      return tile;
    },
  };
  const setup = { Tile, poster: watched };
  for (let round = 0; round < 20; round += 1) {
    run("b", 3, { tile: 2, times: encodeTimes(rightTimes) }, { setup });
  }
  assert.ok(seen.size > 300, `${seen.size} of 800 samples in 20 checks`);
});
