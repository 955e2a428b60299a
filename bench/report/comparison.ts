import { type Spread, spread } from '../statistics.ts';

/** One subject, before and after. */
export interface Comparison {
  readonly subject: string;
  readonly unit: string;
  readonly before: Spread;
  readonly after: Spread;
  /** After over before, of each round. */
  readonly ratio: Spread;
  /** `slower` and `faster` only when all rounds agree and the median differs by more than MARGIN. */
  readonly verdict: 'slower' | 'faster' | 'same' | 'not compared';
  /** Why it was not compared; empty otherwise. */
  readonly reason: string;
}

/** Less than that is noise, whatever the rounds say. */
const MARGIN = 0.03;

/** Compares two series, round by round. A text among the values says why there is no number. */
export function compareSeries(
  subject: string,
  unit: string,
  before: readonly (number | string)[],
  after: readonly (number | string)[],
): Comparison {
  const numbers = (series: readonly (number | string)[]) => series.filter((value) => typeof value === 'number');
  const ratio = spread(numbers(after).map((value, round) => value / (numbers(before)[round] ?? Number.NaN)));
  const wrong = (side: string, series: readonly (number | string)[]): string[] =>
    series.length === 0
      ? [`${side}: nothing was measured`]
      : series.flatMap((value) => (typeof value === 'string' ? [`${side}: ${value}`] : []));
  const reason = [...wrong('before', before), ...wrong('after', after)][0] ?? '';
  return {
    subject,
    unit,
    before: spread(numbers(before)),
    after: spread(numbers(after)),
    ratio,
    verdict: reason === '' ? verdictOf(ratio) : 'not compared',
    reason,
  };
}

function verdictOf({ median, min, max }: Spread): Comparison['verdict'] {
  if (min > 1 && median > 1 + MARGIN) return 'slower';
  return max < 1 && median < 1 - MARGIN ? 'faster' : 'same';
}

/** A line for each comparison: both medians, the ratio with its smallest and largest round, and what that means. */
export function renderComparisons(list: readonly Comparison[]): string {
  const width = Math.max(...list.map(({ subject }) => subject.length));
  const lines = list.map(({ subject, unit, before, after, ratio, verdict, reason }) => {
    if (verdict === 'not compared') return `${subject.padEnd(width)}  not compared (${reason})`;
    const values = `${before.median.toFixed(1)} -> ${after.median.toFixed(1)} ${unit}`;
    const spread = `${ratio.median.toFixed(3)} (${ratio.min.toFixed(3)} to ${ratio.max.toFixed(3)})`;
    return `${subject.padEnd(width)}  ${values.padStart(24)}  ${spread}${verdict === 'same' ? '' : `  ${verdict.toUpperCase()}`}`;
  });
  return lines.join('\n');
}
