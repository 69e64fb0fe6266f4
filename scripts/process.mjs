// Running other programs: to their end with their output, or as servers that are ended later.
// No shell is involved anywhere, so that quoting is the same on every system.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { Failure } from "./failure.mjs";
import { root, toolEnv } from "./places.mjs";

const isWindows = process.platform === "win32";

/** What still runs. Whatever ends this script, it leaves no orphans behind. */
const children = new Set();
process.on("exit", () => {
  for (const child of children) endGroup(child, "SIGKILL");
});

function spawnChild(command, args, { cwd = root, env = toolEnv(), stdio }) {
  // A group of its own: Ctrl-C in a terminal goes to every process of the foreground group, and a
  // server would hear it once from the terminal and once from the script that ends it.
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
    // It ended in between.
  }
}

/**
 * Ends everything that runs, then this process, when a person presses Ctrl-C during a build or a
 * test. `npm start` listens for itself once the tracker runs.
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

// A test that is broken off shall leave no server behind either; Node's runner sends it a signal.
if (process.env.NODE_TEST_CONTEXT) endOnSignals();

/**
 * Runs a program to its end. Resolves whatever its exit code is; rejects only if it cannot be
 * started at all.
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
      // A signal has no exit code; any number but 0 says that it did not end well.
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
 * Runs a program that must succeed, and resolves to what it wrote. `blame` is where it says what
 * went wrong, if standard output is data.
 */
export async function must(command, args, { why, remedy, blame = "output", ...options } = {}) {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const call = [command, ...args].join(" ");
    throw new Failure(`This failed (exit code ${result.code}): ${call}`, {
      why,
      remedy,
      output: result[blame],
    });
  }
  return result;
}

/** The first line that a program answers, or undefined if it cannot be run or fails. */
export async function answer(command, args, options = {}) {
  try {
    const { code, stdout } = await run(command, args, { timeoutMs: 60_000, ...options });
    return code === 0 ? stdout.trim() : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts a program that goes on running, and resolves when `ready` has found what it waits for in
 * a line of its output. If it ends before that, what it wrote is in the error.
 *
 * @param {(line: string) => any} ready returns something truthy for the line that says it runs
 * @param {"stdout" | "stderr"} [says] where that line comes
 * @param {(line: string, from: "stdout" | "stderr") => void} [onLine] gets what comes after that
 * @param {"ignore" | "pipe"} [stdin] "pipe" for programs that end when their input ends
 * @returns {Promise<{ found: any, pid: number, exited: Promise<number>,
 *   stop: () => Promise<number>, kill: () => Promise<number> }>} `kill` does not ask
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

/** Asks once, waits for as long as a server may take to finish its requests, then insists. */
async function stopChild(child, exited) {
  endGroup(child, "SIGTERM");
  const insist = setTimeout(() => endGroup(child, "SIGKILL"), 15_000);
  const code = await exited;
  clearTimeout(insist);
  return code;
}
