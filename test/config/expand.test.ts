// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of the configuration file.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readDocument } from '../../src/config/document.ts';
import { expand } from '../../src/config/expand.ts';

const environment = { A: 'one', B: '', DOLLAR: '${A}' };

test('variables and defaults are put in, and $${ stays a ${', () => {
  const pairs = {
    '${A}': 'one',
    'x${A}y${A}z': 'xoneyonez',
    '${B}': '',
    '${B:-two}': 'two',
    '${C:-two}': 'two',
    '${C:-}': '',
    '${C:-a:-b}': 'a:-b',
    '$${A}': '${A}',
    '$$${A}': '$${A}',
    '$A $ {A}': '$A $ {A}',
    '${DOLLAR}': '${A}',
  };
  for (const [text, expanded] of Object.entries(pairs))
    assert.deepEqual(expand(text, environment), { text: expanded }, text);
});

test('a variable that is missing or no variable is an error that says what to write', () => {
  assert.match(JSON.stringify(expand('${C}', environment)), /environment variable C is not set/);
  assert.match(JSON.stringify(expand('${1}', environment)), /is not a variable/);
  assert.match(JSON.stringify(expand('${}', environment)), /is not a variable/);
  assert.match(JSON.stringify(expand('${A-x}', environment)), /is not a variable/);
  assert.match(JSON.stringify(expand('x ${A', environment)), /has no/);
});

test('whatever a variable holds, it is one scalar and changes nothing around it', () => {
  const yaml = 'plain: ${V}\nquoted: "${V}"\nblock: |\n  ${V}\nlist: [1, "x${V}"]\nlast: end\n';
  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'a: b',
      '\nlast: other',
      '[1, 2]',
      '{x: y}',
      '*last',
      '&a',
      '!!int 1',
      '"',
      "'",
      '# x',
      '- x',
      '|',
      '---',
      '${V}',
    ),
  );
  fc.assert(
    fc.property(nasty, (value) => {
      const document = readDocument(yaml, 'x.yaml', { V: value });
      assert.deepEqual(document.errors, []);
      const { plain, quoted, block, list, last, ...rest } = document.value as Record<string, unknown>;
      assert.ok(plain === null || ['string', 'number', 'boolean'].includes(typeof plain));
      assert.ok(typeof plain !== 'string' || plain === value);
      assert.deepEqual(
        { quoted, block, list, last, rest },
        { quoted: value, block: `${value}\n`, list: [1, `x${value}`], last: 'end', rest: {} },
      );
    }),
  );
});

test('a plain value is typed like a YAML scalar, a quoted one can be read as text or so', () => {
  const read = (value: string) => readDocument('plain: ${V}\nquoted: "${V}"\n', 'x.yaml', { V: value });
  const typed = {
    '12': 12,
    '-1.5e3': -1500,
    '0x1F': 31,
    '0o17': 15,
    true: true,
    False: false,
    text: 'text',
    '1_000': '1_000',
    yes: 'yes',
  };
  for (const [text, value] of Object.entries(typed)) {
    const document = read(text);
    assert.deepEqual(document.value, { plain: value, quoted: text });
    assert.equal(document.readings.get('quoted') ?? text, value);
    assert.equal(document.readings.get('plain') ?? text, text);
  }
  assert.deepEqual(read('null').value, { plain: null, quoted: 'null' });
  assert.equal(read('').readings.has('quoted'), false);
});
