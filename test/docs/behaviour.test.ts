import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, readPage } from './pages.ts';

const TEST = /\b(?:test|it|describe)\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g;
/**
 * Numbers in the name of a test: `53: …`, `behaviour 53: …`, `69, 35: …`, `M1, 114: …`, also behind another prefix, or
 * `… (21)` at the end, where larger numbers are statuses.
 */
const NUMBERS =
  /(?:^|: )(?:behaviours? )?((?:(?:[A-Z]\d+|\d+(?:-\d+)?)(?:, | and )?)+): |\((1?\d\d?(?:-\d+)?(?:, \d+(?:-\d+)?)*)\)$/g;
const MENTION = /\bbehaviours?\s+(\d+(?:(?: to |-|, | and )\d+)*)/gi;

/** Numbers that a list such as `48 to 50`, `27-29` or `M1, 114` names. */
function expand(list: string): number[] {
  return list.split(/, | and /).flatMap((part) => {
    const [from, to = from] = part.split(/ to |-/).map(Number);
    return Number.isNaN(from) ? [] : Array.from({ length: to! - from! + 1 }, (_, index) => from! + index);
  });
}

/** Numbers of all behaviours that a pattern finds, each with the files that name it. */
function named(files: readonly string[], find: (text: string) => readonly string[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const file of files)
    for (const number of find(readFileSync(join(ROOT, file), 'utf8')).flatMap(expand)) found.set(number, file);
  return found;
}

/** Text without the stars that begin the lines of a comment, so that a number may stand in the next line. */
function mentions(text: string): string[] {
  return [...text.replaceAll(/\n\s*(?:\*|\/\/) ?/g, ' ').matchAll(MENTION)].map((match) => match[1]!);
}

const sources = globSync('src/**/*.ts', { cwd: ROOT });
const tests = globSync('test/**/*.ts', { cwd: ROOT });
const written = [...readPage('docs/behaviour.md').matchAll(/^(\d+)\. \S/gm)].map((match) => Number(match[1]));
const inTests = named(tests, (text) =>
  [...text.matchAll(TEST)].flatMap(([, , name]) => [...name!.matchAll(NUMBERS)].map((match) => match[1] ?? match[2]!)),
);

test('every number of a behaviour that the code, the pages or a name of a test refers to is in the page of behaviours', () => {
  const pages = [...globSync('docs/**/*.md', { cwd: ROOT }), ...globSync('*.md', { cwd: ROOT })];
  const mentioned = new Map([...named([...sources, ...tests, ...pages], mentions), ...inTests]);
  assert.ok(mentioned.size > 60, `${mentioned.size} numbers`);
  assert.deepEqual(
    [...mentioned].filter(([number]) => !written.includes(number)),
    [],
  );
});

test('every behaviour of the page has a test that says its number', () => {
  assert.deepEqual(
    written,
    [...new Set(written)].sort((a, b) => a - b),
  );
  assert.deepEqual(
    written.filter((number) => !inTests.has(number)),
    [],
  );
});
