import type { KeyPath } from './config-error.ts';

/** A key that is part of the contract and of the schema, and of which only one value does something so far. */
interface NotYet {
  /** `*` stands for every key or index. */
  readonly path: KeyPath;
  /** True when the value asks for nothing that is missing. */
  readonly accepts: (value: unknown) => boolean;
  /** How to go on without it. */
  readonly instead: string;
}

function only(
  path: string,
  value: string | number | boolean | null,
  instead = `leave it out or set it to ${value}`,
): NotYet {
  return { path: path.split('.'), accepts: (given) => given === value, instead };
}

const NOT_YET: readonly NotYet[] = [only('tracing.otlp', null)];

/** Calls `report` for every value, as written, that asks for something that is not there yet. */
export function findUnsupported(written: unknown, report: (path: KeyPath, message: string) => void): void {
  for (const { path, accepts, instead } of NOT_YET) {
    visit(written, path, [], (value, at) => {
      if (!accepts(value)) report(at, `is not supported yet: ${instead}`);
    });
  }
}

function visit(value: unknown, pattern: KeyPath, at: KeyPath, found: (value: unknown, at: KeyPath) => void): void {
  const [first, ...rest] = pattern;
  if (first === undefined) {
    found(value, at);
  } else if (Array.isArray(value)) {
    if (first === '*') for (const [index, item] of value.entries()) visit(item, rest, [...at, index], found);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (first === '*' || first === key) visit(inner, rest, [...at, key], found);
    }
  }
}
