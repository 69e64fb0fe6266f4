// Everything that the page and a core's worker say to each other.

/** What `Client.dump()` gives; the page needs the token, to say goodbye when it closes. */
export interface Dump {
  token: string;
}

/** All that a worker needs to begin. */
export interface Order {
  /** The tracker's address. */
  url: string;
  nickname: string;
  /** The poster's parameter file, parsed. */
  parameters: Parameters;
}

/** What of the parameter file the page itself reads; the kernel reads all of it. */
export interface Parameters {
  width: number;
  height: number;
  tile: number;
  samples: number;
  palette: { inside: string; colours: string[]; turns: number; start: number };
}

export type ToWorker = { type: "start"; order: Order } | { type: "stop" };

/** Why a worker waits. */
export type Why = "no_jobs" | "unreachable";

export type FromWorker =
  /** A message sent earlier would be lost: the page waits for this one. */
  | { type: "ready" }
  | { type: "registered"; stage: string; dump: Dump }
  | { type: "job"; stage: string; stageName: string; number: number }
  | { type: "progress"; done: number; total: number }
  | { type: "sending" }
  | { type: "done"; stage: string; ms: number }
  | { type: "flagged"; reason: string }
  | { type: "lost" }
  | { type: "waiting"; why: Why; until: number }
  /** All is put back; there will be no further message. */
  | { type: "stopped" }
  | { type: "failed"; message: string };
