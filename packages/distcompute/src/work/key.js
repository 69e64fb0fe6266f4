// The key by which a tracker knows this volunteer again: an Ed25519 key in a file of the folder in which the work is
// kept. The process that computes gets it by a message, because its permissions do not include the file.

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Failure, messageOf } from "../failure.js";
import { writeWhole } from "../folder.js";

/** The name of the file. */
export const keyName = "key.json";

/** @typedef {{ kty: "OKP", crv: "Ed25519", x: string, d: string }} PrivateJwk */

/**
 * The key of a folder, which is made if there is none.
 *
 * @param {string} folder
 * @returns {PrivateJwk}
 */
export function keyOf(folder) {
  const file = join(folder, keyName);
  if (existsSync(file)) return readKey(file);
  const { privateKey } = generateKeyPairSync("ed25519");
  const jwk = /** @type {PrivateJwk} */ (privateKey.export({ format: "jwk" }));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeWhole(file, `${JSON.stringify(jwk)}\n`);
  return jwk;
}

/** @param {string} file */
function readKey(file) {
  try {
    const key = createPrivateKey({ key: JSON.parse(readFileSync(file, "utf8")), format: "jwk" });
    if (key.asymmetricKeyType !== "ed25519") throw new Error("it is no Ed25519 key");
    // The public part follows from the private one, whatever the file says.
    const { x } = createPublicKey(key).export({ format: "jwk" });
    return /** @type {PrivateJwk} */ ({ ...key.export({ format: "jwk" }), x });
  } catch (error) {
    throw new Failure(
      `The key in ${file} cannot be read: ${messageOf(error)}. Restore the file, or delete it and begin ` +
        `with a new key, of which nothing has been confirmed.`,
    );
  }
}

/** What the tracker and its operator call the key: its thumbprint (RFC 7638). @param {PrivateJwk} jwk */
export function thumbprint({ crv, kty, x }) {
  const members = JSON.stringify({ crv, kty, x });
  return createHash("sha256").update(members).digest("base64url");
}

/**
 * The key as scripts have it: they can sign with it, and not read it.
 *
 * @param {PrivateJwk} jwk
 */
export async function pairOf({ kty, crv, x, d }) {
  const { subtle } = globalThis.crypto;
  const publicJwk = { kty, crv, x };
  return {
    publicKey: await subtle.importKey("jwk", publicJwk, "Ed25519", true, ["verify"]),
    privateKey: await subtle.importKey("jwk", { ...publicJwk, d }, "Ed25519", false, ["sign"]),
  };
}
