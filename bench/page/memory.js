// The reference: a worker that has all jobs in memory and no tracker.

import { read, work, written } from "./job.js";

const texts = Array.from({ length: 1000 }, (_, index) => written({ shard: index + 1 }));
const outputs = texts.map(() => "");

for (let index = 0; ; index = (index + 1) % texts.length) {
  outputs[index] = written(work(read(texts[index])));
}
