// Uses every member of the package once, without the types of browsers or Node.

import loadWasm, { Volunteer, init, initSync, load, work } from "distcompute-client";
import type { CallOptions, Client, VolunteerStatus, WasmSource } from "distcompute-client";

export async function everything(source: WasmSource, bytes: Uint8Array): Promise<void> {
  await loadWasm();
  await loadWasm({ module_or_path: source });
  await loadWasm({ module_or_path: "https://example.com/client.wasm" });
  initSync({ module: bytes });
  const options: CallOptions = { timeoutMs: 1000 };
  const client: Client = await init({ url: "http://127.0.0.1:8080", stage: "a" }, options);
  load(client.dump()).free();
  work((job, { signal, progress }) => (progress(job.id, 1), { aborted: Boolean(signal.aborted) }));
}

export function volunteers(spawn: () => any): VolunteerStatus {
  const volunteer = new Volunteer({ url: "http://127.0.0.1:8080", stage: "a", spawn });
  volunteer.start();
  volunteer.free();
  return volunteer.status;
}

// @ts-expect-error a source is an address or WebAssembly
void loadWasm({ module_or_path: 5 });
