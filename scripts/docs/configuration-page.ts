import * as z from 'zod';
import { jsonSchema } from '../../src/config/json-schema.ts';
import { byteRate, percentage, rate, size, statusRanges, timer } from '../../src/config/scalars.ts';
import { headingAnchor } from './heading-anchor.ts';
import type { JsonSchema } from './json-schema.ts';
import { cell, GENERATED } from './markdown.ts';

/** Ways to write a value that the page explains once, by the pattern that the schema has for them. */
const KINDS = new Map(
  Object.entries({
    duration: timer(),
    size: size(0, 1),
    'byte rate': byteRate(),
    percentage: percentage(),
    rate: rate(),
    statuses: statusRanges(),
  }).map(([name, schema]) => [patternOf(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema), name]),
);

function patternOf(schema: JsonSchema): string | undefined {
  return schema.pattern ?? schema.anyOf?.map(patternOf).find((pattern) => pattern !== undefined);
}

const INTRODUCTION = `# Configuration

${GENERATED('the schema of the configuration, src/config')}

limpet reads one YAML file (\`limpet start -c limpet.yaml\`). Every key has a default but those marked *required*; \`limpet check --print\` prints the file with all of them filled in.
A key or a value that limpet does not know is refused, with its line and column and what to do. \`limpet schema\` prints a JSON Schema, with which editors complete and check the file:
put \`# yaml-language-server: $schema=limpet.schema.json\` into its first line.

\`\${NAME}\` stands for the environment variable NAME, \`\${NAME:-default}\` for one that may be absent. Paths are relative to the folder of the file.

The smallest file:

\`\`\`yaml
listeners:
  - bind: 0.0.0.0:8080
pools:
  shop:
    backends:
      - { id: a, url: "http://10.0.0.1:3000", replicas: [b] }
      - { id: b, url: "http://10.0.0.2:3000", replicas: [a] }
\`\`\`

## Values

| type | written as |
| --- | --- |
| duration | \`500ms\`, \`5s\`, \`30m\`, \`12h\`, \`7d\`, or several parts in falling order: \`1h30m\`; \`0\` where the key says what 0 means |
| size | \`512B\`, \`64KiB\`, \`1MiB\`, \`1GiB\`, or a number of bytes |
| percentage | \`20%\`, \`0.5%\` |
| rate | \`50/s\`, \`600/m\`, \`1000/h\` |
| byte rate | \`100B/s\`, \`4KiB/s\`, \`1MiB/s\`, or a number of bytes a second |
| statuses | \`200\`, \`200-399\`, \`"200, 301-302"\` |
| text | any text; in quotes where YAML would read something else |
`;

/** Makes docs/configuration.md: every key of the file with its type, its default and what it means. */
export function configurationPage(): string {
  const lines: string[] = [INTRODUCTION];
  const root = JSON.parse(jsonSchema()) as JsonSchema;
  section(lines, 'The file', '', root);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** A table of the keys of a map, and behind it one for each map within. */
function section(lines: string[], title: string, path: string, schema: JsonSchema): void {
  lines.push(`## ${title}`, '');
  if (schema.description !== undefined && path !== '') lines.push(schema.description, '');
  lines.push('| key | type | default | meaning |', '| --- | --- | --- | --- |');
  const inner: (() => void)[] = [];
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    const at = path === '' ? key : `${path}.${key}`;
    const optional = schema.required?.includes(key) !== true;
    const row = [`\`${key}\``, typeOf(value, at), optional ? defaultOf(value) : '*required*', meaningOf(value)];
    lines.push(`| ${row.map(cell).join(' | ')} |`);
    inner.push(() => within(lines, at, value));
  }
  lines.push('');
  for (const write of inner) write();
}

/** Writes the sections of the maps that a value holds, however deep. */
function within(lines: string[], path: string, schema: JsonSchema): void {
  const inherited = (one: JsonSchema): JsonSchema =>
    one.description === undefined && schema.description !== undefined
      ? { ...one, description: schema.description }
      : one;
  if (schema.properties !== undefined) section(lines, path, path, schema);
  if (schema.items !== undefined) within(lines, `${path}[]`, inherited(schema.items));
  if (schema.additionalProperties !== undefined && schema.additionalProperties !== false)
    within(lines, `${path}.NAME`, inherited(schema.additionalProperties));
  for (const one of schema.anyOf ?? []) if (one.properties ?? one.items) within(lines, path, inherited(one));
  if (schema.oneOf !== undefined && schema.description !== undefined)
    lines.push(`## ${path}`, '', schema.description, '');
  for (const one of schema.oneOf ?? []) {
    const { by } = one.properties!;
    section(lines, `${path} by ${by!.const}`, path, one);
  }
}

function typeOf(schema: JsonSchema, path: string): string {
  const kind = KINDS.get(patternOf(schema));
  const alternatives = schema.anyOf ?? [];
  const orNull = alternatives.some(({ type }) => type === 'null') ? ' or `null`' : '';
  const others = alternatives.filter(({ type }) => type !== 'null');
  if (others.length > 1) {
    // `0` and a plain number are ways to write what the kind says.
    const written = others.filter(
      (one) => patternOf(one) !== undefined || kind === undefined || one.anyOf !== undefined,
    );
    return [...new Set(written.map((one) => typeOf(one, path)))].join(' or ') + orNull;
  }
  if (others.length === 1) return typeOf(others[0]!, path) + orNull;
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.type === 'boolean') return '`true`, `false`';
  if (schema.type === 'integer') return `number, ${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'array') return `list of ${listed(schema.items!, `${path}[]`)}`;
  if (schema.properties !== undefined) return `[map](#${headingAnchor(path)})`;
  if (typeof schema.additionalProperties === 'object')
    return `map of names to ${listed(schema.additionalProperties, `${path}.NAME`)}`;
  return kind === undefined ? 'text' : `[${kind}](#values)`;
}

function listed(schema: JsonSchema, path: string): string {
  if (schema.properties !== undefined || schema.oneOf !== undefined) return `[maps](#${headingAnchor(path)})`;
  return typeOf(schema, path);
}

function defaultOf(schema: JsonSchema): string {
  const value = schema.default;
  if (value === undefined) return schema.anyOf?.some(({ type }) => type === 'null') === true ? '`null`' : '–';
  if (isEmptyMap(value) && schema.properties !== undefined && Object.keys(schema.properties).length > 0) return '–';
  return `\`${written(value)}\``;
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function meaningOf(schema: JsonSchema): string {
  if (schema.description?.endsWith('.') !== true)
    throw new Error(
      `a key lacks a sentence that says what it means (describe it in src/config): ${JSON.stringify(schema)}`,
    );
  const examples = (schema.examples ?? []).map((value) => `\`${written(value)}\``);
  return examples.length === 0 ? schema.description : `${schema.description} For example ${examples.join(', ')}.`;
}

/** A value as YAML has it on one line. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => `${key}: ${written(inner)}`);
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
  }
  if (typeof value !== 'string') return String(value);
  return /^[A-Za-z0-9/~=^][^,:#"{}[\]]*$|^https?:\S+$/.test(value) && !/^\d+$/.test(value)
    ? value
    : JSON.stringify(value);
}
