// The tracker serves the kernel's npm package under ./kernel, and the panel with the client under ./pkg.
declare module "*/kernel/mandelbrot.js" {
  export * from "mandelbrot";
  export { default } from "mandelbrot";
}

declare module "*/pkg/distcompute_volunteer.js" {
  export * from "distcompute-volunteer";
}
