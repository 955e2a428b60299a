/** One bar: its parts from left to right, and the whisker from the smallest to the largest round. */
export interface Bar {
  readonly name: string;
  readonly parts: readonly number[];
  readonly min: number;
  readonly max: number;
  /** Written behind the bar. */
  readonly label: string;
}

/** Points on a line: several percentiles of one proxy. */
export interface Dots {
  readonly name: string;
  readonly values: readonly number[];
  readonly label: string;
}

const WIDTH = 760;
const NAME_WIDTH = 110;
const LABEL_WIDTH = 190;
const ROW = 24;
const TOP = 22;
const PLOT = WIDTH - NAME_WIDTH - LABEL_WIDTH;

/** Text as it may stand in HTML and in attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Horizontal bars as SVG. `legend`: what the parts are. */
export function barChart(title: string, bars: readonly Bar[], legend: readonly string[]): string {
  const most = Math.max(...bars.map(({ max, parts }) => Math.max(max, sum(parts))), Number.MIN_VALUE);
  const x = (value: number): number => NAME_WIDTH + (value / most) * PLOT;
  const rows = bars.map(({ name, parts, min, max, label }, index) => {
    const y = TOP + index * ROW;
    let from = 0;
    const boxes = parts.map((part, which) => {
      const box = `<rect class="part${which}" x="${round(x(from))}" y="${y + 4}" width="${round((part / most) * PLOT)}" height="${ROW - 9}"/>`;
      from += part;
      return box;
    });
    const middle = y + ROW / 2;
    const whisker = `<path class="whisker" d="M${round(x(min))} ${middle}H${round(x(max))}M${round(x(min))} ${middle - 4}v8M${round(x(max))} ${middle - 4}v8"/>`;
    return `${nameText(name, y)}${boxes.join('')}${whisker}${labelText(label, x(Math.max(max, sum(parts))), y)}`;
  });
  return svg(title, TOP + bars.length * ROW + 4, rows, legend, 'part');
}

/** Dots on a logarithmic scale as SVG, one row for each proxy. `legend`: what the dots are. */
export function dotChart(title: string, series: readonly Dots[], legend: readonly string[]): string {
  const values = series.flatMap((one) => one.values).filter((value) => value > 0);
  if (values.length === 0) return '';
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(10 ** Math.ceil(Math.log10(Math.max(...values))), low * 10);
  const x = (value: number): number =>
    NAME_WIDTH + (Math.log(Math.max(value, low) / low) / Math.log(high / low)) * PLOT;
  const height = TOP + series.length * ROW;
  const ticks: string[] = [];
  for (let tick = low; tick <= high * 1.001; tick *= 10) {
    const at = round(x(tick));
    ticks.push(
      `<path class="grid" d="M${at} ${TOP}V${height}"/><text class="tick" x="${at}" y="${height + 13}">${Number(tick.toPrecision(1))}</text>`,
    );
  }
  const rows = series.map(({ name, values, label }, index) => {
    const y = TOP + index * ROW;
    const dots = values.map(
      (value, which) => `<circle class="part${which}" cx="${round(x(value))}" cy="${y + ROW / 2}" r="5"/>`,
    );
    return `${nameText(name, y)}${dots.join('')}${labelText(label, x(Math.max(...values)) + 4, y)}`;
  });
  return svg(title, height + 20, [...ticks, ...rows], legend, 'part');
}

function svg(title: string, height: number, rows: readonly string[], legend: readonly string[], style: string): string {
  let at = WIDTH;
  const keys = legend.map((_, index) => {
    const which = legend.length - 1 - index;
    const text = legend[which]!;
    at -= text.length * 7 + 24;
    return `<rect class="${style}${which}" x="${at}" y="3" width="11" height="11"/><text x="${at + 15}" y="13">${escapeHtml(text)}</text>`;
  });
  const heading = `<text class="heading" x="0" y="13">${escapeHtml(title)}</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}">${heading}${keys.join('')}${rows.join('')}</svg>`;
}

function nameText(name: string, y: number): string {
  return `<text class="${name === 'limpet' ? 'own' : 'name'}" x="${NAME_WIDTH - 8}" y="${y + ROW / 2 + 4}" text-anchor="end">${escapeHtml(name)}</text>`;
}

function labelText(label: string, x: number, y: number): string {
  return `<text class="label" x="${round(x + 6)}" y="${y + ROW / 2 + 4}">${escapeHtml(label)}</text>`;
}

function sum(parts: readonly number[]): number {
  return parts.reduce((total, part) => total + part, 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
