// Every member of the package with its documented type. This file is compiled but never run: an error means
// that the package's .d.ts contradicts the documentation.

import { init, load, runJob, Volunteer, work } from "distcompute-client";
import type {
  Client,
  ClientDump,
  ErrorCode,
  Job,
  JobData,
  JobRun,
  VolunteerOptions,
  VolunteerStatus,
  WorkContext,
  WorkHandler,
  ZeroJobError,
} from "distcompute-client";

const options = { signal: new AbortController().signal, timeoutMs: 1000 };

export async function everyMember(): Promise<void> {
  const client: Client = await init({ url: "http://127.0.0.1:8080", stage: "a" });
  await init({ url: "", stage: "a", nickname: "Ada", verbose: false }, options);

  const count: number = await client.jobCount();
  const data: JobData = await client.newJob(options);
  const held: JobData = client.job;
  const number: number | null = client.jobId;
  await client.log("1 / 2", options);
  const alive: boolean = await client.isAlive();
  const nothing: void = await client.completeJob("text");
  await client.completeJob([1, "two", null], options);
  await client.completeJob({ ok: true, why: undefined });
  await client.flagInvalidData();
  await client.bye();

  const names: string[] = [
    client.displayName,
    client.project,
    client.projectName,
    client.stageName,
    client.nickname,
    client.url,
    client.workerUrl,
  ];
  const stage: "a" | "b" | "c" | "d" | "e" = client.stage;

  const dump: ClientDump = client.dump();
  const again: Client = load(dump);
  void [count, data, held, number, alive, nothing, names, stage, again];
}

export function isNoJob(error: ZeroJobError): boolean {
  const code: ErrorCode = error.code;
  return code === "no_jobs" && error instanceof Error && error.name === "ZeroJobError";
}

export function everyWayToWork(): void {
  const handler: WorkHandler = (job, context) => {
    const data: JobData = job.data;
    const numbers: number[] = [job.id, job.attempt];
    context.progress(1, 2);
    context.progress(1, 2, "line");
    context.checkpoint({ row: 1 });
    const unknown: unknown = context.restored;
    const row: number = context.resume?.row ?? 0;
    const aborted: boolean = context.signal.aborted;
    const names: string[] = [job.stage, context.stage, context.stageName, context.project];
    if (data === null) return context.invalid("no data");
    if (aborted) context.invalid();
    void [numbers, unknown, row, names];
    return data;
  };
  work(handler);
  work(async () => ({ found: 1 }));
  work({ handler: () => "text" });
  work({
    setup: async () => ({ kernel: (n: number) => [n] }),
    handler: (job, { setup }) => setup.kernel(job.id),
  });
  const either = (job: Job): string | { found: number } => (job.id > 1 ? "text" : { found: 1 });
  work(either);
  work((job) => (job.id > 1 ? [job.id] : { found: 1, why: undefined }));
  interface Found {
    score: number;
    note?: string;
    pages: { words: (string | null)[] }[];
    at: Written;
  }
  work(async (): Promise<Found> => ({ score: 1, pages: [], at: new Written() }));
  work(async (job) => JSON.parse(String(job.data)));
  const apart = (job: Job, { setup }: WorkContext<number>): string => `${job.id + setup}`;
  work({ setup: () => 5, handler: apart });
  // The type of the input comes from the handler, or is said; so does that of the checkpoints.
  interface Task {
    seed: number;
  }
  work((job: Job<Task>) => [job.data.seed]);
  work<Task>((job) => [job.data.seed]);
  work<Task, string>({
    handler: ({ data }, { setup }) => (setup === undefined ? "" : `${data.seed}`),
  });
  work<Task, { sum: number }, number>({
    setup: () => 5,
    handler: ({ data }, { setup }) => ({ sum: data.seed + setup }),
  });
  work({
    setup: async () => new Float64Array(3),
    handler: (job: Job<Task>, context: WorkContext<Float64Array, { row: number }>) => {
      const row: number = context.restored?.row ?? job.data.seed;
      context.checkpoint({ row });
      return { row, first: context.setup[0] ?? 0 };
    },
  });
}

export async function tryAJob(): Promise<void> {
  const parts = {
    setup: () => 5,
    handler: (job: Job<{ seed: number }>, { setup }: WorkContext<number, { row: number }>) => [
      job.data.seed + setup,
    ],
  };
  const ran: JobRun<{ row: number }> = await runJob(parts, {
    data: { seed: 1 },
    stage: "b",
    attempt: 2,
    restored: { row: 3 },
  });
  const output: JobData | undefined = ran.output;
  const done: number[] = ran.progress.map(({ done, total }) => done / total);
  const rows: number[] = ran.checkpoints.map(({ row }) => row);
  if (ran.failure) throw new Error(`${ran.failure.kind}: ${ran.failure.message}`);
  const one = await runJob((job) => [job.id], { data: "text" });
  // @ts-expect-error the data is what the handler takes
  await runJob(parts, { data: { seeds: 1 } });
  // @ts-expect-error data is needed
  await runJob(() => "text", {});
  void [output, done, rows, one];
}

export async function everyWordOfAVolunteer(volunteer: Volunteer): Promise<void> {
  await volunteer.start();
  await volunteer.stop({ finish: true });
  volunteer.set({ intensity: 50, nickname: "Ada" });
  const { signal } = options;
  const end: () => void = volunteer.subscribe((status: VolunteerStatus) => status.state, {
    signal,
  });
  const onJob = ({ detail }: { detail: { done: number; jobsDone: number } }): number =>
    detail.done + detail.jobsDone;
  volunteer.addEventListener("job", onJob, { once: true, signal });
  volunteer.removeEventListener("job", onJob);
  volunteer.addEventListener("failure", ({ detail, type }) => {
    const said: (string | number | undefined)[] = [detail.name, detail.message, detail.job, type];
    void said;
  });
  volunteer.addEventListener("statuschange", {
    handleEvent: ({ detail }) => void (detail.state === "computing"),
  });
  // @ts-expect-error there is no such event
  volunteer.addEventListener("jobs", () => {});
  end();
}

/** An object with a `toJSON` method. */
class Written {
  #text = "";
  toJSON(): string {
    return this.#text;
  }
}

export function mistakesAtWork(): void {
  // @ts-expect-error an output is a text, an array or an object
  work(() => 5);
  // @ts-expect-error or a promise of one
  work(async () => 5);
  // @ts-expect-error
  work(() => undefined);
  // @ts-expect-error an output is nothing that JSON would turn into {} or into text
  work(() => new Map());
  // @ts-expect-error
  work(async () => new Map<string, number>());
  // @ts-expect-error
  work(() => new Set([1]));
  // @ts-expect-error
  work(() => new Date());
  // @ts-expect-error
  work(() => new Float32Array(3));
  // @ts-expect-error
  work(() => new ArrayBuffer(3));
  // @ts-expect-error
  work(() => /x/);
  // @ts-expect-error
  work(() => () => "text");
  // @ts-expect-error nor may an output contain such a value
  work(() => ({ found: new Map() }));
  // @ts-expect-error
  work(async () => ({ pages: [{ at: new Date() }] }));
  // @ts-expect-error
  work(() => ({ count: 5n }));
  // @ts-expect-error
  work(() => ({ count: () => 5 }));
  // @ts-expect-error
  work(() => [undefined]);
  // @ts-expect-error
  work(() => ({ later: Promise.resolve(1) }));
  // @ts-expect-error
  work({ handler: () => ({ bytes: new Uint8Array(1) }) });
  // @ts-expect-error a handler is needed
  work({ setup: () => 5 });
  // @ts-expect-error `setup` has the type of the value that the function returned
  work({ setup: () => 5, handler: (_, { setup }) => setup.kernel() });
  // @ts-expect-error an input has the members that its type says
  work((job: Job<{ seed: number }>) => [job.data.seeds]);
  // @ts-expect-error a checkpoint has the type that the context says
  work((_: Job, { checkpoint }: WorkContext<undefined, { row: number }>) => (checkpoint({}), ""));
  // @ts-expect-error progress is reported in numbers
  work((_, { progress }) => (progress("1", 2), ""));
}

export function mistakesOfVolunteers(spawn: VolunteerOptions["spawn"]): void {
  const url = "http://127.0.0.1:8080";
  new Volunteer({ url, stage: "a", spawn });
  new Volunteer({ url, stages: ["b", "A stage"], spawn });
  // @ts-expect-error there is no such stage
  new Volunteer({ url, stage: "z", spawn });
  // @ts-expect-error at least one stage is needed
  new Volunteer({ url, stages: [], spawn });
  // @ts-expect-error
  new Volunteer({ url, stages: ["a", "z"], spawn });
  // @ts-expect-error
  new Volunteer({ url, spawn });
}

export async function mistakes(client: Client): Promise<void> {
  // @ts-expect-error a stage is needed
  await init({ url: "http://127.0.0.1:8080" });
  // @ts-expect-error there is no such stage
  await init({ url: "http://127.0.0.1:8080", stage: "z" });
  // @ts-expect-error an output is nothing that JSON would lose
  await client.completeJob(new Map());
  // @ts-expect-error
  await client.completeJob({ words: [undefined] });
  // @ts-expect-error an output is a text, an array or an object
  await client.completeJob(5);
  // @ts-expect-error an output is needed
  await client.completeJob();
  // @ts-expect-error the nickname of a worker is read-only
  client.nickname = "Eve";
  // @ts-expect-error a progress line is text
  await client.log(0.5);
  // @ts-expect-error a dump is an object
  load("{}");
}
