// The tracker serves the kernel's npm package under ./kernel.
declare module "*/kernel/mandelbrot.js" {
  export * from "mandelbrot";
  export { default } from "mandelbrot";
}
