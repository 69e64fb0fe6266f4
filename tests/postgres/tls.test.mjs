// TLS between a tracker and PostgreSQL: which servers are trusted, and the errors for those that are not.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startPostgres, unprivileged } from "../../scripts/postgres.mjs";
import { must, run } from "../../scripts/process.mjs";
import { testTracker } from "../../scripts/servers.mjs";

/** Creates a self-signed certificate for an address. */
async function certificate(folder, name, address) {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  await must("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`],
    ...["-addext", `subjectAltName=${address}`, "-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", key, "-out", cert],
  ]);
  chmodSync(key, 0o600);
  // PostgreSQL requires that only its own user can read the key.
  (await unprivileged()).own(key);
  return { key, cert };
}

test("the certificate is verified as the sslmode and sslrootcert of the address require", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "distcompute-tls-"));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const right = await certificate(folder, "right", "IP:127.0.0.1");
  const wrong = await certificate(folder, "wrong", "DNS:db.example");
  for (const [{ key, cert }, outcomes] of [
    [right, { "verify-full": true, "verify-ca": true, require: true }],
    [wrong, { "verify-full": false, "verify-ca": true, require: true }],
  ]) {
    const settings = ["ssl=on", `ssl_key_file=${key}`, `ssl_cert_file=${cert}`];
    const postgres = await startPostgres({ settings });
    t.after(() => postgres.stop());
    const opened = async (url) => {
      const args = ["import", "--database", url, "--brace", "x{0..1}"];
      return await run(await testTracker(), args, { timeoutMs: 60_000 });
    };
    for (const [mode, fine] of Object.entries(outcomes)) {
      const { code, stderr } = await opened(`${postgres.url}?sslmode=${mode}&sslrootcert=${cert}`);
      assert.equal(code === 0, fine, `${mode}: ${stderr}`);
      if (!fine) assert.match(stderr, /cannot be opened: .*certificate.*sslrootcert=FILE/s);
    }
    // The system does not trust the self-signed certificate.
    const { code, stderr } = await opened(`${postgres.url}?sslmode=verify-full`);
    assert.notEqual(code, 0);
    assert.match(stderr, /cannot be opened: .*certificate.*sslrootcert=FILE/s);
    // 0.0.0.0 reaches the same server, but is not the name in the certificate.
    const away = postgres.url.replace("127.0.0.1", "0.0.0.0");
    assert.notEqual((await opened(`${away}?sslrootcert=${cert}`)).code, 0);
    assert.equal((await opened(`${away}?sslmode=require`)).code, 0);
  }
});
