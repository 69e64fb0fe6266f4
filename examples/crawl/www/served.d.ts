// The tracker serves the kernels' npm package under ./kernel, and the panel with the client under ./pkg.
declare module "*/kernel/crawl.js" {
  export * from "crawl";
  export { default } from "crawl";
}
