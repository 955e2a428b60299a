/** A YAML file as plain values, with the place of each in the text. */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  Scalar,
  visit,
  type YAMLMap,
} from 'yaml';
import { type ConfigError, formatPath, type KeyPath } from './config-error.ts';
import { type Environment, expand, hasReference } from './expand.ts';

/**
 * Values that aliases and merge keys may make: so many for each that is written, and so many in any case. Without a
 * limit a few lines become gigabytes.
 */
const ALIASED_PER_VALUE = 20;
const ALIASED_ANYWAY = 10_000;
const MOST_VALUES = 2_000_000;
const DEEPEST = 64;
/** Levels of `<<` within each other. */
const DEEPEST_MERGE = 16;

interface ConfigDocument {
  /** Maps as objects, lists as arrays; never shared between two paths. */
  readonly value: unknown;
  readonly errors: readonly ConfigError[];
  /** True when the text is no YAML, and `value` says nothing about what was meant. */
  readonly broken: boolean;
  /**
   * Values that came from variables and that could be read in two ways (`8080` as a number or as text), by formatted
   * path. `value` holds the first reading, this map the second.
   */
  readonly readings: ReadonlyMap<string, unknown>;
  /** An error at the place of a value, or of its key, or of the nearest part of the path that exists. */
  errorAt(path: KeyPath, message: string, at?: 'key' | 'value'): ConfigError;
}

type Parsed = ReturnType<typeof parseDocument>;
interface Entry {
  readonly name: string;
  readonly key: Node | null;
  readonly value: Node | null;
}

/** Reads YAML 1.2 with merge keys, expanding `${NAME}` in its values. Never throws on bad input. */
export function readDocument(text: string, file: string, environment: Environment): ConfigDocument {
  const lines = new LineCounter();
  const errors: ConfigError[] = [];
  const readings = new Map<string, unknown>();
  const place = (offset: number | undefined) => {
    const { line, col } = lines.linePos(offset ?? 0);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const broken = (): ConfigDocument => ({
    value: null,
    errors,
    broken: true,
    readings,
    errorAt: (path, message) => errorAt(path, message, null),
  });
  const errorAt = (path: KeyPath, message: string, node: Node | null): ConfigError => ({
    ...place(node?.range?.[0]),
    path: formatPath(path),
    message,
  });

  let parsed: Parsed;
  let anchors: ReturnType<typeof findAnchors>;
  try {
    parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, version: '1.2' });
    // Most files have none, which saves a pass over all that is written.
    anchors = text.includes('&') ? findAnchors(parsed) : NO_ANCHORS;
  } catch (error) {
    // The parser calls itself for each level of nesting.
    const message = error instanceof RangeError ? 'is nested too deeply' : `cannot be read: ${String(error)}`;
    errors.push({ file, line: 1, column: 1, path: '', message });
    return broken();
  }
  for (const { code, message, pos } of [...parsed.errors, ...parsed.warnings]) {
    // After the first mistake the parser stumbles over whatever follows.
    if (errors.length > 0 && (code === 'UNEXPECTED_TOKEN' || errors.at(-1)?.line === place(pos[0]).line)) continue;
    // The parser misses a quote where it gives up, which may be the end of the file; what else it says is of what the
    // quote swallowed.
    const quote = /closing.*quote/.test(message) ? startOfQuote(parsed, pos[0]) : null;
    if (quote !== null) {
      const unclosed = `is not valid YAML: the quote ${text[quote]} that begins here is not closed`;
      errors.push({ ...place(quote), path: '', message: unclosed });
      break;
    }
    errors.push({ ...place(pos[0]), path: '', message: syntaxMessage(code, message, text, pos[0]) });
  }
  if (errors.length > 0) return broken();

  const target = (node: unknown): Node | null => {
    const found = isAlias(node) ? anchors.aliases.get(node) : node;
    return isMap(found) || isSeq(found) || isScalar(found) ? found : null;
  };
  const most = Math.min(anchors.written * ALIASED_PER_VALUE + ALIASED_ANYWAY, MOST_VALUES);
  let values = 0;
  let multiplied = false;
  const entriesOf = entryReader(target, () => values++ < most);
  const open = new Set<Node>();

  function toValue(written: unknown, path: KeyPath): unknown {
    const node = target(written);
    if (node === null) {
      if (isAlias(written)) errors.push(errorAt(path, `no anchor before it has the name &${written.source}`, written));
      return null;
    }
    if (open.has(node) || path.length > DEEPEST) {
      errors.push(
        errorAt(path, open.has(node) ? 'is an alias of the value that it stands in' : 'is nested too deeply', node),
      );
      return null;
    }
    if (++values > most) {
      if (!multiplied)
        errors.push(errorAt(path, `aliases make more than ${most} values of this file: use fewer aliases`, node));
      multiplied = true;
      return null;
    }
    if (isScalar(node)) return scalarValue(node, path);
    open.add(node);
    let value: unknown = null;
    if (isSeq(node)) value = node.items.map((item, index) => toValue(item, [...path, index]));
    else if (isMap(node)) value = mapValue(node, path);
    open.delete(node);
    return value;
  }

  function mapValue(map: YAMLMap, path: KeyPath): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const seen = new Map<string, Entry>();
    for (const entry of entriesOf(map)) {
      const first = seen.get(entry.name);
      const inner = [...path, entry.name];
      if (first !== undefined && entry.key !== null) {
        const { line } = place(first.key?.range?.[0]);
        errors.push(errorAt(inner, `stands here twice, first in line ${line}: remove one of the two`, entry.key));
      } else if (entry.name === '__proto__') {
        errors.push(errorAt(inner, 'unknown key: remove it', entry.key));
      } else {
        if (hasReference(entry.name))
          errors.push(errorAt(inner, 'variables are expanded in values only, not in keys', entry.key));
        seen.set(entry.name, entry);
        value[entry.name] = toValue(entry.value, inner);
      }
    }
    return value;
  }

  function scalarValue(node: Scalar, path: KeyPath): unknown {
    const { value } = node;
    if (typeof value !== 'string' || !hasReference(value)) return value;
    const expansion = expand(value, environment);
    if ('error' in expansion) {
      errors.push(errorAt(path, expansion.error, node));
      return value;
    }
    // A value is one scalar whatever characters it holds: it is typed like one, and never parsed as YAML.
    const typed = plainScalar(expansion.text);
    if (node.type === Scalar.PLAIN) {
      if (typed !== expansion.text) readings.set(formatPath(path), expansion.text);
      return typed;
    }
    if (typed !== expansion.text && typed !== null) readings.set(formatPath(path), typed);
    return expansion.text;
  }

  /** By map: most errors stand in the same few. */
  const places = new Map<YAMLMap, Map<string, Entry>>();
  function entryOf(map: YAMLMap, name: string): Entry | undefined {
    let known = places.get(map);
    if (known === undefined) {
      known = new Map();
      for (const entry of entriesOf(map)) if (!known.has(entry.name)) known.set(entry.name, entry);
      places.set(map, known);
    }
    return known.get(name);
  }

  function locate(path: KeyPath, at: 'key' | 'value'): Node | null {
    let node = target(parsed.contents);
    let key: Node | null = node;
    for (const part of path) {
      if (isSeq(node)) {
        const item = node.items[Number(part)];
        if (item === undefined) break;
        node = target(item);
        key = node;
      } else if (isMap(node)) {
        const entry = entryOf(node, String(part));
        if (entry === undefined) break;
        key = entry.key ?? key;
        node = target(entry.value) ?? key;
      } else break;
    }
    return at === 'key' ? key : node;
  }

  const value = toValue(parsed.contents, []);
  // What is left of it says nothing about what was meant.
  if (multiplied) return broken();
  return {
    value,
    errors,
    broken: false,
    readings,
    errorAt: (path, message, at = 'value') => errorAt(path, message, locate(path, at)),
  };
}

/** Of a text without an anchor: nothing is written once and read often. */
const NO_ANCHORS: ReturnType<typeof findAnchors> = { aliases: new Map(), written: MOST_VALUES };

/** What each alias stands for, found in one pass over the text, and how many values are written. */
function findAnchors(parsed: Parsed): { readonly aliases: ReadonlyMap<Alias, Node>; readonly written: number } {
  const anchors = new Map<string, Node>();
  const aliases = new Map<Alias, Node>();
  let written = 0;
  visit(parsed, {
    Node: (_key, node) => {
      written++;
      if (isAlias(node)) {
        const found = anchors.get(node.source);
        if (found !== undefined) aliases.set(node, found);
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return { aliases, written };
}

/**
 * Reads the entries of a map; those of a merge key (`<<`) follow, where the map does not name them itself.
 * @param mayMerge asked before each entry that comes out of a merge key
 */
function entryReader(target: (node: unknown) => Node | null, mayMerge: () => boolean): (map: YAMLMap) => Entry[] {
  const known = new Map<YAMLMap, Entry[]>();
  const open = new Set<YAMLMap>();
  return function entriesOf(map): Entry[] {
    const read = known.get(map);
    if (read !== undefined) return read;
    open.add(map);
    const own: Entry[] = [];
    const sources: YAMLMap[] = [];
    for (const { key, value } of map.items) {
      const keyNode = target(key);
      const name = isScalar(keyNode) ? (keyNode.source ?? String(keyNode.value)) : String(key);
      if (name !== '<<') {
        own.push({ name, key: keyNode, value: value as Node | null });
        continue;
      }
      const source = target(value);
      for (const merged of isSeq(source) ? source.items.map(target) : [source])
        if (isMap(merged) && !open.has(merged) && open.size <= DEEPEST_MERGE) sources.push(merged);
    }
    const names = new Set(own.map(({ name }) => name));
    for (const source of sources) {
      for (const entry of entriesOf(source)) {
        if (!mayMerge()) break;
        if (names.has(entry.name)) continue;
        names.add(entry.name);
        own.push(entry);
      }
    }
    open.delete(map);
    known.set(map, own);
    return own;
  };
}

/** What a plain scalar with this text is in YAML's core schema: a number, true, false, null, or the text. */
function plainScalar(text: string): unknown {
  const word = text.trim();
  if (/^(?:~|null|Null|NULL)?$/.test(word)) return null;
  if (/^(?:true|True|TRUE)$/.test(word)) return true;
  if (/^(?:false|False|FALSE)$/.test(word)) return false;
  if (/^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$|^0o[0-7]+$|^0x[0-9a-fA-F]+$/.test(word)) return Number(word);
  return text;
}

/** Where the quoted scalar begins whose text ends at `end`; null: there is none. */
function startOfQuote(parsed: Parsed, end: number): number | null {
  let start: number | null = null;
  visit(parsed, {
    Scalar: (_key, { type, range }) => {
      if (range?.[1] === end && (type === Scalar.QUOTE_DOUBLE || type === Scalar.QUOTE_SINGLE)) start = range[0];
    },
  });
  return start;
}

/** The parser's message, in words that say what to do where it can be known. */
function syntaxMessage(code: string, message: string, text: string, offset: number): string {
  if (code === 'TAB_AS_INDENT' || text[offset] === '\t') return 'a tab is used as indentation: YAML allows spaces only';
  if (code === 'MULTIPLE_DOCS')
    return 'a second document begins here: one file holds one configuration, remove the line ---';
  if (/Maximum call stack/.test(message)) return 'is nested too deeply';
  const line = text.slice(
    text.lastIndexOf('\n', offset - 1) + 1,
    (text.indexOf('\n', offset) + 1 || text.length + 1) - 1,
  );
  const hint = /[{[,:] *\$\{/.test(line)
    ? ` (inside { } and [ ] put \${NAME} in quotes)`
    : code.startsWith('B')
      ? ' (check the indentation)'
      : '';
  return `is not valid YAML: ${message.replace(/\s+/g, ' ').replace(/\.$/, '')}${hint}`;
}
