// Charts as one self-contained SVG, which follows the reader's colour scheme.

const width = 920;
const panel = { height: 210, left: 84, right: 18, top: 46, bottom: 44 };

/** The colours of the tracker's pages. Lines also differ by their stroke, and not only by colour. */
const style = `
  svg { color-scheme: light dark; }
  .ground { fill: #ffffff; } .text { fill: #16223a; } .quiet { fill: #5a6478; }
  .grid { stroke: #e4dfd3; } .bound { stroke: #5a6478; stroke-dasharray: 6 4; }
  .first { stroke: #b4560f; } .second { stroke: #1f5f8b; stroke-dasharray: 2 3; }
  .bar.first { fill: #b4560f; stroke: none; } .bar.second { fill: #1f5f8b; stroke: none; }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  text { font: 13px system-ui, sans-serif; } .title { font-weight: 600; font-size: 15px; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0c1220; } .text { fill: #e8ecf4; } .quiet { fill: #9aa6bd; }
    .grid { stroke: #26314a; } .bound { stroke: #9aa6bd; }
    .first { stroke: #f2b134; } .second { stroke: #7cc0ee; }
    .bar.first { fill: #f2b134; } .bar.second { fill: #7cc0ee; }
  }`;

/**
 * Draws panels below each other. The time axis of a panel is in seconds and starts at `from_s`.
 *
 * @param {{ title: string, unit: string, step_s: number, from_s?: number, lines: { name: string, values: number[] }[],
 *   bound?: { name: string, value: number } }[]} panels with at most two lines each
 */
export function chart(panels) {
  const drawn = panels.map(
    (one, at) => `<g transform="translate(0 ${at * panel.height})">${draw(one)}</g>`,
  );
  const label = panels.map(({ title }) => title).join("; ");
  return svg({ height: panels.length * panel.height, label, drawn });
}

/**
 * Draws one panel with a group of bars for each name, of which each bar stands for one of `names`.
 *
 * @param {{ title: string, unit: string, groups: { name: string, values: number[] }[], names: string[] }} wanted
 *   with at most two bars in a group
 */
export function bars({ title, unit, groups, names }) {
  const top = nice(Math.max(...groups.flatMap(({ values }) => values)));
  const [inner, tall] = [width - panel.left - panel.right, panel.height - panel.top - panel.bottom];
  const y = (value) => round(panel.top + tall * (1 - value / top));
  const parts = [...frame({ title, unit, top, y })];
  const slot = inner / groups.length;
  const wide = Math.min(70, slot / (names.length + 1));
  for (const [at, { name, values }] of groups.entries()) {
    const middle = panel.left + slot * (at + 0.5);
    for (const [place, value] of values.entries()) {
      const x = round(middle + (place - values.length / 2) * wide);
      const height = round(y(0) - y(value));
      parts.push(
        `<rect class="bar ${kinds[place]}" x="${x}" y="${y(value)}" width="${round(wide - 4)}" height="${height}"/>`,
        label(round(x + wide / 2 - 2), y(value) - 5, "middle", String(value)),
      );
    }
    parts.push(label(round(middle), panel.height - panel.bottom + 20, "middle", name));
  }
  let right = width - panel.right;
  for (const [place, name] of [...names.entries()].reverse()) {
    parts.push(
      label(right, 36, "end", name),
      `<rect class="bar ${kinds[place]}" x="${round(right - 6.6 * name.length - 22)}" y="27" width="12" height="10"/>`,
    );
    right -= 6.6 * name.length + 50;
  }
  return svg({ height: panel.height, label: title, drawn: [parts.join("\n")] });
}

/** The classes of the first and the second line or bar. */
const kinds = ["first", "second"];

function svg({ height, label, drawn }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(
      label,
    )}">`,
    `<style>${style}\n</style>`,
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

/** The title of a panel, its unit, and lines across it at round values. */
function frame({ title, unit, top, y }) {
  const parts = [`<text class="text title" x="${panel.left}" y="18">${escaped(title)}</text>`];
  for (let step = 0; step <= 2; step++) {
    const value = (top * step) / 2;
    parts.push(
      `<line class="grid" x1="${panel.left}" x2="${width - panel.right}" y1="${y(value)}" y2="${y(value)}"/>`,
      label(panel.left - 8, y(value) + 4, "end", value.toLocaleString("en")),
    );
  }
  parts.push(label(panel.left, 36, "start", unit));
  return parts;
}

function draw({ title, unit, step_s, from_s = 0, lines, bound }) {
  const length = Math.max(...lines.map(({ values }) => values.length));
  const most = Math.max(bound?.value ?? 0, ...lines.flatMap(({ values }) => values));
  const [seconds, top] = [length * step_s, nice(most)];
  const [inner, tall] = [width - panel.left - panel.right, panel.height - panel.top - panel.bottom];
  const x = (time) => round(panel.left + ((time - from_s) / seconds) * inner);
  const y = (value) => round(panel.top + tall * (1 - value / top));
  const parts = frame({ title, unit, top, y });
  const [every, divisor, name] = ticks(seconds);
  for (let time = Math.ceil(from_s / every) * every; time <= from_s + seconds; time += every) {
    const at = panel.height - panel.bottom;
    parts.push(
      `<line class="grid" x1="${x(time)}" x2="${x(time)}" y1="${at}" y2="${at + 5}"/>`,
      label(x(time), at + 20, "middle", String(time / divisor)),
    );
  }
  parts.push(label(width - panel.right, panel.height - 6, "end", name));
  let right = width - panel.right;
  const key = (kind, text) => {
    parts.push(
      label(right, 36, "end", text),
      `<line class="line ${kind}" x1="${right - 6.6 * text.length - 34}" x2="${right - 6.6 * text.length - 8}" y1="32" y2="32"/>`,
    );
    right -= 6.6 * text.length + 50;
  };
  if (bound) {
    parts.push(
      `<line class="bound" x1="${panel.left}" x2="${width - panel.right}" y1="${y(bound.value)}" y2="${y(bound.value)}"/>`,
    );
    key("bound", bound.name);
  }
  for (const [at, { name, values }] of [...lines.entries()].reverse()) {
    const points = values.map(
      (value, place) => `${x(from_s + (place + 0.5) * step_s)},${y(value)}`,
    );
    parts.push(`<polyline class="line ${kinds[at]}" points="${points.join(" ")}"/>`);
    if (lines.length > 1) key(kinds[at], name);
  }
  return parts.join("\n");
}

function label(x, y, anchor, text) {
  return `<text class="quiet" x="${x}" y="${y}" text-anchor="${anchor}">${escaped(text)}</text>`;
}

/** The interval of the ticks, the unit of their numbers (both in seconds), and its name. */
function ticks(seconds) {
  if (seconds >= 12 * 3_600) return [3 * 3_600, 3_600, "hours"];
  if (seconds < 1_800) return [180, 60, "minutes"];
  return seconds > 3 * 3_600 ? [3_600, 3_600, "hours"] : [600, 60, "minutes"];
}

/** Rounds up to a round number. */
function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value || 1));
  return unit * [1, 2, 4, 6, 8, 10].find((step) => step * unit >= value);
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
