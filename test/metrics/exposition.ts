/** A strict reader of the Prometheus text format 0.0.4: what it does not expect is an error. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/**
 * Families by name. Throws on a line that is not exactly as the format has it, on a sample outside its family, on a
 * series that comes twice.
 */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  let family: Family | null = null;
  let help: { name: string; text: string } | null = null;
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, rest] = comment as unknown as [string, string, string, string];
      if (!NAME.test(name) || families.has(name)) throw new Error(`bad or repeated name: ${line}`);
      if (kind === 'HELP') help = { name, text: rest };
      else {
        if (help?.name !== name || !TYPES.includes(rest))
          throw new Error(`TYPE without HELP or of no known type: ${line}`);
        family = { name, help: help.text, type: rest, samples: [] };
        families.set(name, family);
      }
      continue;
    }
    const sample = parseSample(line);
    const suffix = family === null ? null : sample.name.slice(family.name.length);
    const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (family === null || !sample.name.startsWith(family.name) || !suffixes.includes(suffix!)) {
      throw new Error(`a sample outside its family: ${line}`);
    }
    const series = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(series)) throw new Error(`twice: ${line}`);
    seen.add(series);
    family.samples.push(sample);
  }
  return families;
}

function parseSample(line: string): Sample {
  const [, name, block, value] =
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|Nan)$/.exec(line) ?? [];
  if (name === undefined) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|$)/y;
  while (block !== undefined && label.lastIndex < block.length) {
    const found = label.exec(block);
    if (found === null || found[1]! in labels) throw new Error(`bad labels: ${line}`);
    labels[found[1]!] = found[2]!.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  return { name, labels, value: value === 'Nan' ? Number.NaN : Number(value!.replace('Inf', 'Infinity')) };
}

/** Value of the one sample with these labels among others; undefined when there is none. */
export function sampleValue(family: Family | undefined, labels: Readonly<Record<string, string>>): number | undefined {
  return family?.samples.find((sample) => Object.entries(labels).every(([k, v]) => sample.labels[k] === v))?.value;
}
