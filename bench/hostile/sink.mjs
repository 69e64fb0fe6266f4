// A sink for the traffic of an attack, to measure what it costs the machine without a tracker. It reads
// every request and answers 200.

import { createServer } from "node:http";

const sink = createServer((request, answer) => {
  request.resume();
  request.once("end", () => answer.end());
  // Attackers close connections in the middle of a request.
  request.on("error", () => answer.destroy());
});

sink.listen(0, "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (sink.address());
  console.log(`listening on http://127.0.0.1:${port}`);
});
