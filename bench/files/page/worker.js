// The worker script: a job reads the file that its input names, or makes one. It reports when transfers begin and
// end. The hub's transfers are seen by standing before `fetch`, in the same thread.

const mark = (name) => postMessage({ mark: name, at: performance.timeOrigin + performance.now() });

const { fetch } = self;
self.fetch = async (url, options) => {
  const name = kind(String(url?.url ?? url), options?.method ?? url?.method ?? "GET");
  if (name) mark(`${name} begun`);
  const response = await fetch(url, options);
  if (name) mark(`${name} answered`);
  return response;
};

function kind(url, method) {
  if (method === "PUT") return "part";
  return method === "GET" && url.includes("/api/files/") ? "file" : undefined;
}

const { default: loadWasm, work } = await import("/pkg/distcompute_client.js");
await loadWasm();

/** What a file that is made has, but for its beginning: no two are the same. */
let noise = new Uint8Array();

function made(bytes) {
  if (noise.length !== bytes) {
    noise = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 65_536)
      crypto.getRandomValues(noise.subarray(at, at + 65_536));
  }
  crypto.getRandomValues(noise.subarray(0, Math.min(bytes, 64)));
  return noise;
}

work({
  async handler(job, context) {
    if (job.data.file) {
      const blob = await job.file(job.data.file);
      mark("file at hand");
      return { bytes: blob.size };
    }
    mark("put");
    return { file: await context.put(made(job.data.bytes)) };
  },
});
