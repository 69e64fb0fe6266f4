/** The WebAssembly, gzipped, as base64. */
export const wasm: string;
