// Helpers for the reports of all benchmarks: medians, the evaluation of goals, tables, files.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "../scripts/places.mjs";

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The quantile of the values by the nearest-rank method.
 *
 * @param {number[]} values at least one
 * @param {number} share of the values that do not exceed the result, greater than 0 and at most 1
 */
export function quantile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.ceil(share * sorted.length) - 1];
}

/**
 * Groups the rounds that measured the same thing, in the order of their first appearance.
 *
 * @template Round
 * @param {Round[]} rounds
 * @param {(round: Round) => any[]} kindOf
 * @returns {Round[][]}
 */
export function sameKinds(rounds, kindOf) {
  const kinds = new Map();
  for (const round of rounds) {
    const kind = kindOf(round).join();
    kinds.set(kind, [...(kinds.get(kind) ?? []), round]);
  }
  return [...kinds.values()];
}

/** The values of `name` in the rounds that have one. */
export function known(rounds, name) {
  return rounds.map((round) => round[name]).filter((value) => value != null);
}

/** The rounded median of the values of `name`, or null if there are none. */
export function middle(rounds, name, digits) {
  const values = known(rounds, name);
  return values.length ? Number(median(values).toFixed(digits)) : null;
}

/**
 * Evaluates the goals that were measured. `of` returns the measured value, if `found` contains it.
 *
 * @template Found
 * @param {{ what: string, wanted: string, of: (found: Found) => number | null | undefined,
 *   met: (value: number) => boolean }[]} goals
 * @param {Found} found
 */
export function verdicts(goals, found) {
  return goals
    .map(({ of, ...goal }) => ({ ...goal, value: of(found) }))
    .filter(({ value }) => value != null)
    .map(({ met, ...goal }) => ({ ...goal, met: met(goal.value) }));
}

/**
 * Returns the report as Markdown.
 *
 * @param {{ name: string, title: string, tables: string[][], judged: ReturnType<typeof verdicts>,
 *   facts: string[], how: string[] }} found
 */
export function page({ name, title, tables, judged, facts, how }) {
  const rows = judged.map(({ what, wanted, value, met }) => [
    ...[what, wanted, grouped(Number(value.toFixed(2))), met ? "met" : "**missed**"],
  ]);
  return [
    `# ${title}`,
    "",
    `Written by \`npm run bench -- ${name}\`; what the figures mean stands in [README](../README.md).`,
    "",
    ...tables.flatMap((lines) => [...lines, ""]),
    "## Goals",
    "",
    ...table(["goal", "wanted", "measured", ""], rows, 1),
    "",
    "## How it was measured",
    "",
    ...[...how, `The machine: ${facts.join("; ")}.`].map((line) => `- ${line}`),
    "",
  ].join("\n");
}

/** A Markdown table, aligned like prettier's output. The first `left` columns are aligned left. */
export function table(heads, rows, left) {
  const widths = heads.map((head, column) =>
    Math.max(3, ...[head, ...rows.map((row) => row[column])].map((text) => text.length)),
  );
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const filled = (cells) =>
    line(
      cells.map((text, column) =>
        column < left ? text.padEnd(widths[column]) : text.padStart(widths[column]),
      ),
    );
  const rule = widths.map((width, column) =>
    column < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [filled(heads), line(rule), ...rows.map(filled)];
}

/** The text of a cell, empty for missing values. */
export function shown(value) {
  return value == null ? "" : grouped(value);
}

export function grouped(value) {
  const [whole, rest] = String(value).split(".");
  const groups = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return rest === undefined ? groups : `${groups}.${rest}`;
}

/**
 * Writes a benchmark's figures as JSON and as Markdown: to bench/results if the run was complete,
 * otherwise to target/bench.
 *
 * @param {{ name: string, figures: object[], text: string, everything: boolean,
 *   files?: Record<string, string> }} found
 */
export function write({ name, figures, text, everything, files = {} }) {
  const folder = join(root, ...(everything ? ["bench", "results"] : ["target", "bench"]));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(figures, null, 2)}\n`);
  writeFileSync(join(folder, `${name}.md`), text);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  console.log(`\n${text}`);
}
