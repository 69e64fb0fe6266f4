// Every member of the package with the type that its documentation promises. It is compiled and
// never run: an error here is a promise that the package's .d.ts does not keep.

import { init, load, work } from "distcompute-client";
import type {
  Client,
  ClientDump,
  ErrorCode,
  Job,
  JobData,
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
  await client.completeJob({ ok: true });
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
    const row: number = context.resume?.row ?? 0;
    const aborted: boolean = context.signal.aborted;
    const names: string[] = [job.stage, context.stage, context.stageName, context.project];
    if (data === null) return context.invalid("no data");
    if (aborted) context.invalid();
    void [numbers, row, names];
    return data;
  };
  work(handler);
  work(async () => ({ found: 1 }));
  work({ handler: () => "text" });
  work({
    setup: async () => ({ kernel: (n: number) => [n] }),
    handler: (job, { setup }) => setup.kernel(job.id),
  });
  const apart = (job: Job, { setup }: WorkContext<number>): string => `${job.id + setup}`;
  work({ setup: () => 5, handler: apart });
}

export function mistakesAtWork(): void {
  // @ts-expect-error an output is a text, an array or an object
  work(() => 5);
  // @ts-expect-error a handler is needed
  work({ setup: () => 5 });
  // @ts-expect-error setup is what it returned
  work({ setup: () => 5, handler: (_, { setup }) => setup.kernel() });
  // @ts-expect-error progress is told in numbers
  work((_, { progress }) => (progress("1", 2), ""));
}

export async function mistakes(client: Client): Promise<void> {
  // @ts-expect-error a stage is needed
  await init({ url: "http://127.0.0.1:8080" });
  // @ts-expect-error an output is a text, an array or an object
  await client.completeJob(5);
  // @ts-expect-error an output is needed
  await client.completeJob();
  // @ts-expect-error who a worker is cannot be changed
  client.nickname = "Eve";
  // @ts-expect-error a progress line is text
  await client.log(0.5);
  // @ts-expect-error a dump is an object
  load("{}");
}
