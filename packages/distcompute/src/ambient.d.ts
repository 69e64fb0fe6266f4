// What other files define or contain.

/** In the bundled volunteer page: the letters of the stages, the first choice first. */
declare const STAGES: import("distcompute-client").VolunteerOptions["stages"] & object;

/** Not installed in this repository. */
declare module "uqr" {
  /** A QR code of a text, as lines for a terminal. */
  export function renderUnicodeCompact(text: string): string;
}
