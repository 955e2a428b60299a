/** Words for what the schema found wrong: what is allowed, and what stands there. */
import type { z } from 'zod';
import type { KeyPath } from './config-error.ts';
import { didYouMean } from './suggest.ts';

interface Finding {
  readonly path: KeyPath;
  readonly message: string;
  readonly at: 'key' | 'value';
}

/** For `safeParse`: hands the keys that a map may have to `findings`, in the message of the issue. */
export function allowedKeys(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const shape = (issue.inst as z.core.$ZodObject | undefined)?._zod.def.shape;
  return shape === undefined ? '' : Object.keys(shape).join(', ');
}

/** What the schema's issue says to a person; an issue about several unknown keys is one finding for each. */
export function findings(issue: z.core.$ZodIssue, written: unknown): Finding[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  // A scalar that is read into parts, such as `200-399`, is wrong as a whole.
  while (path.length > 0 && ['string', 'number'].includes(typeof valueAt(written, path.slice(0, -1)))) path.pop();
  if (issue.code === 'unrecognized_keys') {
    const allowed = issue.message.split(', ');
    return issue.keys.map((key) => {
      return {
        path: [...path, key],
        message: `unknown key${didYouMean(key, allowed) || '.'} Allowed: ${issue.message}`,
        at: 'key',
      };
    });
  }
  if (issue.code === 'invalid_key') {
    return [{ path, message: issue.issues[0]?.message ?? issue.message, at: 'key' }];
  }
  const value = valueAt(written, path);
  const choices = choicesOf(issue);
  const allowed =
    choices === null ? describe(issue) : `must be ${choices.length === 1 ? '' : 'one of '}${choices.join(', ')}`;
  if (value === undefined) return [{ path, message: `is required: ${allowed}`, at: 'value' }];
  if (path.at(-1) === 'secret') return [{ path, message: allowed, at: 'value' }];
  const meant = choices !== null && typeof value === 'string' ? didYouMean(value, choices) : '';
  return [{ path, message: `${allowed}, got ${got(value)}${meant}`, at: 'value' }];
}

/** The values of a closed set, or null when the issue is about something else. */
function choicesOf(issue: z.core.$ZodIssue): string[] | null {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union' && 'options' in issue) return (issue.options as unknown[]).map(String);
  return null;
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  if (issue.expected === 'array') return 'must be a list';
  if (issue.expected === 'object' || issue.expected === 'record') return 'must be a map of keys and values';
  return issue.message;
}

/** The value at a path as it is written, or undefined. */
export function valueAt(written: unknown, path: KeyPath): unknown {
  let value = written;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** A value in an error message: short, on one line, and without control characters. */
export function got(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
