// Runs other programs, either to their end or as servers that are stopped later. No shell is involved,
// so that quoting is the same on every system.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { Failure } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";

const isWindows = process.platform === "win32";

/** The child processes that are running. They are killed when this process exits. */
const children = new Set();
process.on("exit", () => {
  for (const child of children) endGroup(child, "SIGKILL");
});

function spawnChild(command, args, { cwd = root, env = toolEnv(), stdio }) {
  // Each child gets its own process group. Otherwise Ctrl-C would signal it twice: once from the
  // terminal, which signals the whole foreground group, and once from the script that stops it.
  const child = spawn(command, args, {
    cwd,
    env,
    stdio,
    detached: !isWindows,
    windowsHide: true,
  });
  children.add(child);
  child.once("close", () => children.delete(child));
  child.once("error", () => children.delete(child));
  return child;
}

function endGroup(child, signal) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (isWindows) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The process has exited in the meantime.
  }
}

/**
 * Ends all child processes and then this one when a signal arrives, for example because of Ctrl-C
 * during a build or a test. `npm start` has its own handler once the tracker is running.
 */
export function endOnSignals() {
  const end = (signal) => {
    for (const child of children) endGroup(child, "SIGTERM");
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, end);
  return () => signals.forEach((signal) => process.off(signal, end));
}

// Node's test runner sends a signal to tests that it aborts; their servers must end too.
if (process.env.NODE_TEST_CONTEXT) endOnSignals();

/**
 * Runs a program to its end. Resolves with any exit code, and rejects only if the program cannot be
 * started.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: object, input?: string, timeoutMs?: number,
 *   onStart?: (pid: number) => void,
 *   onLine?: (line: string, from: "stdout" | "stderr") => void }} [options]
 * @returns {Promise<{ code: number, stdout: string, stderr: string, output: string }>}
 */
export function run(command, args, options = {}) {
  const { onLine, onStart, input, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const stdin = input === undefined ? "ignore" : "pipe";
    const child = spawnChild(command, args, { ...options, stdio: [stdin, "pipe", "pipe"] });
    if (child.pid !== undefined) onStart?.(child.pid);
    const text = { stdout: "", stderr: "", output: "" };
    for (const from of ["stdout", "stderr"]) {
      createInterface({ input: child[from], crlfDelay: Infinity }).on("line", (line) => {
        text[from] += `${line}\n`;
        text.output += `${line}\n`;
        onLine?.(line, from);
      });
    }
    const timer = timeoutMs && setTimeout(() => tooLong(child, text, timeoutMs), timeoutMs);
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(new Failure(`${command} cannot be started: ${error.message}`));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      // A program that was ended by a signal has no exit code, and counts as failed.
      resolve({ code: code ?? 1, ...text });
    });
    if (input !== undefined) child.stdin.end(input);
  });
}

function tooLong(child, text, timeoutMs) {
  text.output += `\nended because it took longer than ${Math.round(timeoutMs / 1000)} s\n`;
  endGroup(child, "SIGKILL");
}

/**
 * Runs a program that must succeed, and resolves to its output. `blame` selects the stream with its
 * error messages, for programs whose standard output is data.
 */
export async function must(command, args, { why, remedy, blame = "output", ...options } = {}) {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const call = [command, ...args].join(" ");
    throw new Failure(`This command failed with exit code ${result.code}: ${call}`, {
      why,
      remedy,
      output: result[blame],
    });
  }
  return result;
}

/** The first line of a program's output, or undefined if it cannot be run or fails. */
export async function answer(command, args, options = {}) {
  try {
    const { code, stdout } = await run(command, args, { timeoutMs: 60_000, ...options });
    return code === 0 ? stdout.trim() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts a server, and resolves when `ready` returns something truthy for a line of its output, which
 * becomes `found`. Rejects with the output if the program ends before that.
 *
 * @param {(line: string) => any} ready recognises the line that reports that the server is ready
 * @param {"stdout" | "stderr"} [says] the stream with that line
 * @param {(line: string, from: "stdout" | "stderr") => void} [onLine] receives the later lines
 * @param {"ignore" | "pipe"} [stdin] "pipe" for programs that end when their input ends
 * @returns {Promise<{ found: any, pid: number, exited: Promise<number>,
 *   stop: () => Promise<number>, kill: () => Promise<number> }>} `stop` sends SIGTERM first, `kill`
 *   sends SIGKILL
 */
export function serve(
  command,
  args,
  { ready, says = "stdout", onLine, startMs = 30_000, remedy, stdin = "ignore", ...options },
) {
  const child = spawnChild(command, args, { ...options, stdio: [stdin, "pipe", "pipe"] });
  const exited = new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
  let output = "";
  return new Promise((resolve, reject) => {
    const fail = (what) => {
      endGroup(child, "SIGKILL");
      reject(new Failure(`${command} ${what}`, { remedy, output }));
    };
    const timer = setTimeout(() => fail(`did not start within ${startMs / 1000} s.`), startMs);
    child.once("error", (error) => fail(`cannot be started: ${error.message}`));
    exited.then((code) => fail(`ended at once, with exit code ${code}.`));
    let found;
    for (const from of ["stdout", "stderr"]) {
      createInterface({ input: child[from], crlfDelay: Infinity }).on("line", (line) => {
        if (found) return onLine?.(line, from);
        output += `${line}\n`;
        if (from === says) found = ready(line);
        if (!found) return;
        clearTimeout(timer);
        const stop = () => stopChild(child, exited);
        const kill = () => (endGroup(child, "SIGKILL"), exited);
        resolve({ found, pid: child.pid, exited, stop, kill });
      });
    }
    exited.finally(() => clearTimeout(timer));
  });
}

/** Sends SIGTERM, waits until the server has finished its requests, and sends SIGKILL if it has not. */
async function stopChild(child, exited) {
  endGroup(child, "SIGTERM");
  const insist = setTimeout(() => endGroup(child, "SIGKILL"), 15_000);
  const code = await exited;
  clearTimeout(insist);
  return code;
}
