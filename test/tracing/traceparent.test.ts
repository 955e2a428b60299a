import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTraceparent } from '../../src/tracing/traceparent.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const KNOWN = { traceId: TRACE, parentId: PARENT };

test('a traceparent of version 00 is read', () => {
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${PARENT}-01`), { ...KNOWN, flags: 1 });
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${PARENT}-00`), { ...KNOWN, flags: 0 });
  // Flags that have no meaning yet are no error (W3C Trace Context, section 3.2.2.5.2).
  assert.deepEqual(parseTraceparent(`00-${TRACE}-${PARENT}-ff`), { ...KNOWN, flags: 255 });
});

test('a later version is read as far as version 00 goes', () => {
  assert.deepEqual(parseTraceparent(`01-${TRACE}-${PARENT}-01`), { ...KNOWN, flags: 1 });
  assert.deepEqual(parseTraceparent(`cc-${TRACE}-${PARENT}-01-what-the-future-brings`), { ...KNOWN, flags: 1 });
  assert.equal(parseTraceparent(`cc-${TRACE}-${PARENT}-01.what-the-future-brings`), null);
});

const INVALID: Readonly<Record<string, string>> = {
  'nothing at all': '',
  'version ff': `ff-${TRACE}-${PARENT}-01`,
  'a version that is no number': `0x-${TRACE}-${PARENT}-01`,
  'a version in capitals': `CC-${TRACE}-${PARENT}-01`,
  'more behind version 00': `00-${TRACE}-${PARENT}-01-more`,
  'a dash behind version 00': `00-${TRACE}-${PARENT}-01-`,
  'a trace id of zeros': `00-${'0'.repeat(32)}-${PARENT}-01`,
  'a parent id of zeros': `00-${TRACE}-${'0'.repeat(16)}-01`,
  'a trace id in capitals': `00-${TRACE.toUpperCase()}-${PARENT}-01`,
  'a parent id in capitals': `00-${TRACE}-${PARENT.toUpperCase()}-01`,
  'flags in capitals': `00-${TRACE}-${PARENT}-0A`,
  'flags that are no number': `00-${TRACE}-${PARENT}-.0`,
  'flags of one digit': `00-${TRACE}-${PARENT}-1`,
  'a trace id that is short': `00-${TRACE.slice(1)}-${PARENT}-01`,
  'a trace id that is long': `00-${TRACE}0-${PARENT}-01`,
  'a digit that is none': `00-${TRACE.slice(1)}g-${PARENT}-01`,
  'another separator': `00_${TRACE}_${PARENT}_01`,
  'two values': `00-${TRACE}-${PARENT}-01,00-${TRACE}-${PARENT}-01`,
};
for (const [what, value] of Object.entries(INVALID))
  test(`${what} is invalid`, () => assert.equal(parseTraceparent(value), null));

test('whatever comes, what is read is what the form allows', () => {
  const form = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;
  const piece = fc.oneof(
    fc.constantFrom('00', 'ff', '01', '-', TRACE, PARENT, '0', 'A', 'g', ' ', '0'.repeat(16)),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
      const value = pieces.join('');
      const match = form.exec(value);
      const valid = match !== null && (match[4] === undefined || !value.startsWith('00'));
      const read = parseTraceparent(value);
      assert.equal(read !== null, valid, value);
      if (read === null || match === null) return;
      assert.deepEqual([read.traceId, read.parentId, read.flags], [match[1], match[2], Number.parseInt(match[3]!, 16)]);
    }),
  );
});
