import assert from "node:assert/strict";
import { test } from "node:test";

import { InvalidInput, stages } from "../../www/stages.js";
import { encodeTimes } from "../../www/tile.js";

/** A kernel whose arithmetic can be followed by eye: a sample's time is its place in the tile. */
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
const project = { Tile, poster };
const rightTimes = Uint16Array.from({ length: 800 }, (_, at) => at);

async function refused(job) {
  await assert.rejects(
    stages.b(project, job, () => {}),
    InvalidInput,
  );
}

test("render puts the rows together and tells how far it is", async () => {
  const told = [];
  const output = await stages.a(project, { number: 3, data: { tile: 2 } }, (...so) => {
    told.push(so);
  });
  assert.deepEqual(output, { tile: 2, times: encodeTimes(rightTimes) });
  assert.equal(told.length, 20);
  assert.deepEqual(told.at(-1), [20, 20]);
});

test("render refuses a job that is none", async () => {
  const job = { number: 3, data: { tile: 9 } };
  await assert.rejects(
    stages.a(project, job, () => {}),
    InvalidInput,
  );
});

test("check hands a right tile on in colour", async () => {
  const job = { number: 3, data: { tile: 2, times: encodeTimes(rightTimes) } };
  const { tile, rgb } = await stages.b(project, job, () => {});
  assert.equal(tile, 2);
  assert.equal(Buffer.from(rgb, "base64").length, 800);
});

test("check takes the tile from the job's number, not from what stage a claims", async () => {
  await refused({ number: 2, data: { tile: 2, times: encodeTimes(rightTimes) } });
});

test("check refuses what is not a tile's result at all", async () => {
  const datas = [null, "text", 7, [], {}, { tile: 2 }, { tile: 2, times: "***" }];
  for (const data of datas) await refused({ number: 3, data });
  await refused({ number: 99, data: { tile: 98, times: encodeTimes(rightTimes) } });
});

test("check refuses too few and too many times", async () => {
  for (const length of [0, 799, 801]) {
    const times = encodeTimes(Uint16Array.from({ length }, (_, at) => at));
    await refused({ number: 3, data: { tile: 2, times } });
  }
});

test("check finds a tile of which a third is wrong", async () => {
  // 64 samples all miss the wrong third once in 200,000,000,000 times.
  const times = encodeTimes(rightTimes.map((time, at) => (at % 3 === 0 ? time + 1 : time)));
  await refused({ number: 3, data: { tile: 2, times } });
});

test("check looks somewhere else each time", async () => {
  const seen = new Set();
  const watched = {
    Tile,
    poster: {
      ...poster,
      tile: (index) => {
        const tile = new Tile({ tile: index });
        tile.sample = (at) => (seen.add(at), at);
        return tile;
      },
    },
  };
  const job = { number: 3, data: { tile: 2, times: encodeTimes(rightTimes) } };
  for (let round = 0; round < 20; round += 1) await stages.b(watched, job, () => {});
  assert.ok(seen.size > 300, `${seen.size} of 800 samples in 20 checks`);
});
