// Where the traffic of an attack goes that is to cost nobody but the machine: reads, and answers 200.

import { createServer } from "node:http";

const sink = createServer((request, answer) => {
  request.resume();
  request.once("end", () => answer.end());
  // Whoever attacks goes away in the middle of a request.
  request.on("error", () => answer.destroy());
});

sink.listen(0, "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (sink.address());
  console.log(`listening on http://127.0.0.1:${port}`);
});
