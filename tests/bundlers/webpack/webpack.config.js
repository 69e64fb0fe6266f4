// The package for bundlers imports its wasm as a module, which is experimental in webpack. The published
// package does not need this.
export default {
  mode: "production",
  entry: "./main.js",
  experiments: { asyncWebAssembly: true },
};
