/**
 * Scalar values as a person writes them (`5s`, `64KiB`, `20%`, `50/s`) and as the program reads them (ms, bytes,
 * fraction, count per ms).
 */
import * as z from 'zod';
import { DURATION, formatDuration, parseDuration } from './duration.ts';

/** Node's timers hold 31 bits of milliseconds; a longer delay would fire at once. */
const LONGEST_TIMER = 24 * 86_400_000;
const LONGEST_DURATION = 3650 * 86_400_000;

const SIZES: readonly (readonly [string, number])[] = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
];
const SIZE = /^(\d{1,15})(B|KiB|MiB|GiB)$/;

const BYTE_RATE = /^\d{1,9}(?:B|KiB|MiB)\/s$/;

const PERCENTAGE = /^(\d{1,3}(?:\.\d{1,6})?)%$/;
const RATE = /^(\d{1,9})\/(s|m|h)$/;
const STATUSES = /^[1-5]\d\d(?:-[1-5]\d\d)?(?: *, *[1-5]\d\d(?:-[1-5]\d\d)?)*$/;

/** Bytes of `512B`, `64KiB`, `1MiB` or `1GiB`; NaN when it is none. */
export function parseSize(text: string): number {
  const parts = SIZE.exec(text);
  if (parts === null) return Number.NaN;
  return Number(parts[1]) * (SIZES.find(([unit]) => unit === parts[2])?.[1] ?? Number.NaN);
}

/** The shortest way to write a number of bytes in one unit. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0B';
  for (const [unit, factor] of SIZES) if (bytes % factor === 0) return `${bytes / factor}${unit}`;
  return `${bytes}B`;
}

function durationBetween(least: number, most: number) {
  const range = least === 0 ? `at most ${formatDuration(most)}` : `${formatDuration(least)} to ${formatDuration(most)}`;
  const error = `must be a duration such as 500ms, 5s, 30m or 12h (${range})`;
  const text = z.string({ error }).regex(DURATION, { error, abort: true });
  // Of 0 nobody has to say the unit.
  const written = least === 0 ? z.union([text, z.literal(0)], { error }) : text;
  return z.codec(written, z.number({ error }).min(least, { error }).max(most, { error }), {
    decode: (value) => (value === 0 ? 0 : parseDuration(value)),
    encode: formatDuration,
  });
}

/** A time that a timer waits for: at least 1 ms, or 0 where `zero` says that this has a meaning. In milliseconds. */
export function timer(zero: 'zero' | 'positive' = 'positive') {
  return durationBetween(zero === 'zero' ? 0 : 1, LONGEST_TIMER);
}

/** A time that is compared with a clock and may be longer than a timer can wait; at least 1 ms. In milliseconds. */
export function duration() {
  return durationBetween(1, LONGEST_DURATION);
}

/** An amount of memory or of body: `64KiB`, or a plain number of bytes. In bytes. */
export function size(least: number, most: number) {
  const error = `must be a size such as 512B, 64KiB or 1MiB (${formatSize(least)} to ${formatSize(most)})`;
  const written = z.union([z.string().regex(SIZE, { error }), z.int().nonnegative({ error })], { error });
  return z.codec(written, z.number({ error }).min(least, { error }).max(most, { error }), {
    decode: (value) => (typeof value === 'number' ? value : parseSize(value)),
    encode: formatSize,
  });
}

/** `100B/s`, `4KiB/s`, or a plain number of bytes per second; 0: none. In bytes per second. */
export function byteRate() {
  const error = 'must be a rate such as 100B/s, 4KiB/s or 1MiB/s; 0: no limit';
  const written = z.union([z.string().regex(BYTE_RATE, { error }), z.int().nonnegative({ error })], { error });
  return z.codec(
    written,
    z
      .number({ error })
      .min(0, { error })
      .max(2 ** 40, { error }),
    {
      decode: (value) => (typeof value === 'number' ? value : parseSize(value.slice(0, -2))),
      encode: (bytes) => (bytes === 0 ? 0 : `${formatSize(bytes)}/s`),
    },
  );
}

/** `20%`, as a fraction 0..1. */
export function percentage() {
  const error = 'must be a percentage from 0% to 100%, such as 20%';
  const written = z.string({ error }).regex(PERCENTAGE, { error, abort: true });
  return z.codec(written, z.number({ error }).max(1, { error }), {
    decode: (value) => Number(value.slice(0, -1)) / 100,
    encode: (value) => `${Number((value * 100).toFixed(6))}%`,
  });
}

/** `50/s`: how many in how many milliseconds. */
export function rate() {
  const error = 'must be a rate such as 50/s, 600/m or 1000/h';
  const written = z.string({ error }).regex(RATE, { error, abort: true });
  return z.codec(written, z.strictObject({ count: z.int().min(1, { error }), perMs: z.int() }), {
    decode: (value) => {
      const [count, unit] = value.split('/');
      return { count: Number(count), perMs: parseDuration(`1${unit}`) };
    },
    encode: ({ count, perMs }) => `${count}/${formatDuration(perMs).slice(1)}`,
  });
}

/** `200-399`, `204` or `200, 301-302`, as ranges that include both ends. */
export function statusRanges() {
  const error = 'must be statuses such as 200, 200-399 or "200, 301-302" (100 to 599, the lower one first)';
  const written = z.union([z.string().regex(STATUSES, { error }), z.int().min(100, { error }).max(599, { error })], {
    error,
  });
  const range = z.strictObject({ from: z.int(), to: z.int() }).refine(({ from, to }) => from <= to, { error });
  return z.codec(written, z.array(range), {
    decode: (value) =>
      String(value)
        .split(',')
        .map((part) => part.trim().split('-').map(Number))
        .map(([from = 0, to = from]) => ({ from, to })),
    encode: (ranges) => ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', '),
  });
}

/** A whole number in a range that the message names. */
export function integer(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

/** `true` or `false`. */
export function flag() {
  return z.boolean({ error: 'must be true or false' });
}

/** Text that matches `pattern`; `error` says what is allowed. */
export function text(error: string, pattern: RegExp = /\S/) {
  return z.string({ error }).regex(pattern, { error });
}
