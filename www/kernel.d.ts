// The tracker serves the kernel's package as ./kernel.
declare module "*/kernel/mandelbrot.js" {
  export * from "mandelbrot";
  export { default } from "mandelbrot";
}
