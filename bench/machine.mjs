// Properties of the machine, and the resources that processes use.

import {
  closeSync,
  fdatasyncSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { cpus, loadavg, totalmem, type } from "node:os";
import { join } from "node:path";

import { answer } from "../scripts/process.mjs";
import { median } from "./figures.mjs";

/** The properties of the machine that readers need to interpret the figures. */
export async function machineFacts({ folder, postgres }) {
  const processors = cpus();
  const version = (program) => answer(program, ["--version"]);
  const facts = [
    `${processors.length} cores (${processors[0]?.model.trim() || "unknown model"})`,
    `${Math.round(totalmem() / 2 ** 30)} GB of memory`,
    type(),
    // The load of other processes.
    `${loadavg()[0].toFixed(1)} processes wanted a core before it began`,
    `a flush of 4 KB to this disk takes ${flushMs(folder).toFixed(2)} ms (median)`,
    await version("rustc"),
    `Node ${process.version}`,
  ];
  if (postgres) facts.push(await version(join(postgres, "postgres")));
  return facts.filter(Boolean);
}

/** The duration of an fsync, in milliseconds. */
function flushMs(folder) {
  const file = join(folder, "flush");
  const page = Buffer.alloc(4096, 1);
  const descriptor = openSync(file, "w");
  const times = Array.from({ length: 50 }, () => {
    const since = performance.now();
    writeSync(descriptor, page);
    fdatasyncSync(descriptor);
    return performance.now() - since;
  });
  closeSync(descriptor);
  unlinkSync(file);
  return median(times);
}

/** The peak memory of a process in MB, or undefined without /proc. */
export function peakMb(pid) {
  const kb = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
  return kb === undefined ? undefined : Math.round(Number(kb) / 102.4) / 10;
}

/** The memory that a process has resident, in MB, or undefined without /proc. */
export function memoryMb(pid) {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
  return kb === undefined ? undefined : Number(kb) / 1024;
}

/** The same, where memory that several processes share counts by parts. */
export function proportionalMb(pid) {
  const kb = /^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1];
  return kb === undefined ? undefined : Number(kb) / 1024;
}

/** The fields of /proc/PID/stat from the parent's process id on; empty without /proc. */
function stat(pid) {
  // The second field is the program's name in parentheses, which can contain any character.
  return read(`/proc/${pid}/stat`).split(") ").at(-1).split(" ").slice(1);
}

/** The processor time that a process has used, in seconds, or undefined without /proc. */
export function processorSeconds(pid) {
  const fields = stat(pid);
  const ticks = Number(fields[10]) + Number(fields[11]);
  return Number.isNaN(ticks) ? undefined : ticks / 100;
}

/** The processor time that all processes of the machine have used, in seconds. */
export function busySeconds() {
  const times = cpus().map(({ times }) => times);
  const busy = ({ user, nice, sys, irq }) => user + nice + sys + irq;
  return times.reduce((sum, core) => sum + busy(core), 0) / 1000;
}

/**
 * All descendants of a process.
 *
 * @returns {{ pid: number, command: string }[]} `command` includes the arguments
 */
export function processesBelow(ancestor) {
  const parents = new Map(processes().map((pid) => [pid, Number(stat(pid)[0])]));
  const isBelow = (pid) => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === ancestor || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow).map((pid) => {
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
    return { pid, command };
  });
}

function processes() {
  try {
    return readdirSync("/proc").map(Number).filter(Boolean);
  } catch {
    return [];
  }
}

/** The limit of open files and connections for child processes. */
export function openFiles() {
  const limit = /^Max open files\s+(\S+)/m.exec(read("/proc/self/limits"))?.[1];
  return limit === "unlimited" || limit === undefined ? Infinity : Number(limit);
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
