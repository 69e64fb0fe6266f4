// Choosing a port, against ports that are really taken.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";

import { freePort, isFree } from "../../scripts/port.mjs";

const host = "127.0.0.1";

/** Calls `work` with a port that is taken while it runs. */
async function withTakenPort(work) {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, host, resolve));
  try {
    await work(server.address().port);
  } finally {
    server.close();
  }
}

test("a taken port is not free", () =>
  withTakenPort(async (port) => {
    assert.equal(await isFree(port, host), false);
    const next = await freePort(port, host);
    assert.ok(next > port);
    assert.equal(await isFree(next, host), true);
  }));

test("the wanted port is kept if it is free, and 0 lets the system choose", async () => {
  const free = async () => true;
  assert.equal(await freePort(8080, host, free), 8080);
  assert.equal(await freePort(0, host, async () => false), 0);
});

test("the next free one is taken, and the last port is the last", async () => {
  assert.equal(await freePort(8080, host, async (port) => port >= 8083), 8083);
  await assert.rejects(
    freePort(65_535, host, async () => false),
    /no free port from 65535 on/,
  );
});

test("an address that is not of this machine is a sentence with a remedy", async () => {
  await assert.rejects(
    isFree(0, "192.0.2.1"),
    /not possible to listen on 192\.0\.2\.1[^]*--listen/,
  );
});
