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
  // Not `location.origin`: a sandboxed frame has the origin "null", which equals no other one, not even its own.
  const { origin } = globalThis;
  const isOwn = address.origin === origin && origin !== "null";
  const source = isOwn ? address.href : importing(address.href, origin);
  return () => new Worker(trusted(source), { type: "module" });
}

/**
 * The address of a script that imports another one.
 *
 * @param {string} address
 * @param {string} origin of the page
 */
function importing(address, origin) {
  const script = `import ${JSON.stringify(address)};\n`;
  // Without an origin, Chromium starts no module worker from a blob. With one, a worker from a data address would
  // lose it.
  if (origin === "null") return `data:text/javascript,${encodeURIComponent(script)}`;
  // Not revoked, because workers are started with it as long as the page is open.
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
