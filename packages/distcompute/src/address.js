// Addresses of trackers and scripts.

import { Failure } from "./failure.js";

/** Whether only programs on this machine can reach what is there. @param {string} host */
export const isLoopback = (host) => /^(127(\.\d+){3}|\[?::1\]?|localhost)$/.test(host);

/**
 * An address to which secrets may go, and from which code may come: with https, or of this machine.
 *
 * @param {string | URL} text
 * @param {string} what
 */
export function address(text, what) {
  if (!URL.canParse(text)) {
    throw new Failure(
      `The address of ${what} must be complete, such as https://tracker.example.org.`,
    );
  }
  const url = new URL(text);
  const { protocol, hostname } = url;
  if (protocol === "https:" || (protocol === "http:" && isLoopback(hostname))) return url;
  throw new Failure(
    `The address of ${what} must begin with https://: otherwise anybody in between could read what is secret ` +
      "and replace the code that runs here. Only for this machine itself, http:// will do.",
  );
}
