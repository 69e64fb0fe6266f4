// How the workers of a volunteer are started.

/** The name of the policy, for pages that require Trusted Types and list the policies that they allow. */
const policyName = "distcompute-volunteer";

/** @type {{ createScriptURL: (address: string) => string } | undefined} */
let policy;

/**
 * Returns a function that starts a worker with the script at `address`.
 *
 * Browsers start a worker only with a script of the page's own origin. For a script of another origin, and in
 * a frame without an origin, the worker starts with a local script that imports it. The server of the script
 * must then allow the page to read it, by CORS.
 *
 * @param {URL} address
 * @returns {() => Worker}
 */
export function starter(address) {
  // A sandboxed frame has the origin "null", which equals no other one, not even its own.
  const isOwn = address.origin === location.origin && address.origin !== "null";
  const source = isOwn ? address.href : importing(address.href);
  return () => new Worker(trusted(source), { type: "module" });
}

/**
 * The address of a script that imports another one. It is not revoked, because workers are started with it
 * as long as the page is open.
 *
 * @param {string} address
 */
function importing(address) {
  const script = `import ${JSON.stringify(address)};\n`;
  return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

/** @param {string} address */
function trusted(address) {
  const { trustedTypes } = /** @type {any} */ (globalThis);
  policy ??= trustedTypes?.createPolicy(policyName, {
    createScriptURL: (/** @type {string} */ url) => url,
  });
  return policy?.createScriptURL(address) ?? address;
}
