// An S3 server for tests: moto, a program of its own, on a free port of the loopback interface.

import { dirname, join } from "node:path";

import { freePort } from "./port.mjs";
import { serve } from "./process.mjs";

/** The first port that is tried. */
const firstPort = 55_320;

/** The bucket that tests use. */
const bucket = "distcompute-test";

/**
 * Calls `work` with the environment by which a tracker, or a test, reaches a server with an empty bucket.
 *
 * @template T
 * @param {string} python the Python that has moto
 * @param {(env: Record<string, string>) => Promise<T>} work
 */
export async function withS3(python, work) {
  const port = await freePort(firstPort + Math.floor(Math.random() * 1_000), "127.0.0.1");
  const program = join(dirname(python), "moto_server");
  const server = await serve(program, ["-H", "127.0.0.1", "-p", String(port)], {
    ready: (line) => line.includes("Running on"),
    says: "stderr",
  });
  try {
    const endpoint = `http://127.0.0.1:${port}`;
    const made = await fetch(`${endpoint}/${bucket}`, { method: "PUT" });
    if (!made.ok) throw new Error(`the bucket was not made: ${made.status}`);
    return await work({
      AWS_ENDPOINT: endpoint,
      AWS_ALLOW_HTTP: "true",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "not a secret",
      AWS_REGION: "us-east-1",
      DISTCOMPUTE_TEST_BUCKET: bucket,
    });
  } finally {
    await server.stop();
  }
}
