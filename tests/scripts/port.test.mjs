// Choosing a port, tested with ports that are in use.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";

import { freePort, isFree } from "../../scripts/port.mjs";

const host = "127.0.0.1";

/** Calls `work` with a port that is in use until it settles. */
async function withTakenPort(work) {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, host, resolve));
  try {
    await work(server.address().port);
  } finally {
    server.close();
  }
}

test("a port in use is not free", () =>
  withTakenPort(async (port) => {
    assert.equal(await isFree(port, host), false);
    const next = await freePort(port, host);
    assert.ok(next > port);
    assert.equal(await isFree(next, host), true);
  }));

test("a free port is used as it is, and 0 lets the system choose", async () => {
  const free = async () => true;
  assert.equal(await freePort(8080, host, free), 8080);
  assert.equal(await freePort(0, host, async () => false), 0);
});

test("the next free port is used, and there is none after 65535", async () => {
  assert.equal(await freePort(8080, host, async (port) => port >= 8083), 8083);
  await assert.rejects(
    freePort(65_535, host, async () => false),
    /no free port from 65535 on/,
  );
});

test("an address of another machine is reported with a remedy", async () => {
  await assert.rejects(
    isFree(0, "192.0.2.1"),
    /not possible to listen on 192\.0\.2\.1[^]*--listen/,
  );
});
