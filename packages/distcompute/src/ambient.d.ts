// What other files define or contain.

/** In the bundled volunteer page: the letters of the stages, the first choice first. */
declare const STAGES: import("distcompute-client").VolunteerOptions["stages"] & object;

/** Not installed in this repository. */
declare module "uqr" {
  /** A QR code of a text, as lines for a terminal. */
  export function renderUnicodeCompact(text: string): string;
}

/** Not installed in this repository. */
declare module "smol-toml" {
  /** Reads TOML. Throws an error with the place of a mistake. */
  export function parse(text: string): Record<string, unknown>;
}

/** Not installed in this repository. */
declare module "chrome-launcher" {
  /** Starts Chrome with a profile of its own. */
  export function launch(options: {
    startingUrl: string;
    chromeFlags: string[];
    handleSIGINT: boolean;
  }): Promise<{ kill(): void; process: import("node:child_process").ChildProcess }>;
}
