import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Framing, Head, Parse } from '../../src/http1/head.ts';
import { fieldLines, plainField, type RequestParts, requestParts } from './arbitraries.ts';
import { readInEverySplit } from './read-head.ts';
import { fieldProblem, inPlainForm, REQUEST_HEAD, RESPONSE_HEAD } from './strict-grammar.ts';

function requestText(parts: RequestParts): string {
  const { emptyLines, method, path, query, minor, host, fields, framing } = parts;
  const lines = fields.map(({ name, before, value, after }) => `${name}:${before}${value}${after}\r\n`);
  lines.splice(lines.length >> 1, 0, `Host: ${host}\r\n`);
  if (framing !== null) lines.push(`${framing.name}: ${framing.value}\r\n`);
  return `${'\r\n'.repeat(emptyLines)}${method} ${path}${query} HTTP/1.${minor}\r\n${lines.join('')}\r\n`;
}

/** Bytes that matter to a parser, and some that do not. */
const SPECIAL = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  '\0',
  ':',
  ',',
  ';',
  '\x7f',
  '\x80',
  '\xff',
  'a',
  '0',
  '#',
  '?',
  '@',
  '%',
];

const edits = fc.array(
  fc.record({
    at: fc.nat(1_000_000),
    kind: fc.constantFrom('insert', 'delete', 'replace', 'duplicate'),
    text: fc.constantFrom(...SPECIAL),
  }),
  { minLength: 1, maxLength: 3 },
);

function edited(text: string, list: readonly { at: number; kind: string; text: string }[]): string {
  let result = text;
  for (const edit of list) {
    const at = edit.at % (result.length + 1);
    const before = result.slice(0, at);
    const after = result.slice(at);
    if (edit.kind === 'insert') result = before + edit.text + after;
    else if (edit.kind === 'delete') result = before + after.slice(1);
    else if (edit.kind === 'replace') result = before + edit.text + after.slice(1);
    else result = before + after.slice(0, 3) + after;
  }
  return result;
}

describe('head parser, properties', () => {
  it('reads every valid request for what it is, whatever the split', () => {
    fc.assert(
      fc.property(requestParts, (parts) => {
        const text = requestText(parts);
        const facts = readInEverySplit('request', text);
        if (parts.minor === 0 && parts.framing?.name.toLowerCase() === 'transfer-encoding') {
          assert.equal(facts.result, Parse.bad);
          return;
        }
        assert.equal(facts.result, Parse.done, facts.problem);
        assert.equal(facts.consumed, text.length);
        assert.equal(facts.method, parts.method);
        assert.equal(facts.originForm, parts.path + parts.query);
        assert.equal(facts.path, parts.path);
        assert.equal(facts.host, parts.host);
        assert.equal(facts.minor, parts.minor);
        const fields: (readonly [string, string])[] = parts.fields.map(({ name, value }) => [name, value]);
        fields.splice(fields.length >> 1, 0, ['Host', parts.host]);
        if (parts.framing !== null) fields.push([parts.framing.name, parts.framing.value]);
        assert.deepEqual(
          facts.fields.map(([name, value]) => [name, value]),
          fields,
        );
        const length = parts.framing !== null && /length/i.test(parts.framing.name) ? Number(parts.framing.value) : -1;
        assert.equal(facts.contentLength, length);
        const framing =
          parts.framing === null || length === 0 ? Framing.none : length > 0 ? Framing.length : Framing.chunked;
        assert.equal(facts.framing, framing);
      }),
      { numRuns: 200 },
    );
  });

  it('absolute form is the origin form with its authority as Host', () => {
    fc.assert(
      fc.property(requestParts, fc.constantFrom('http', 'https', 'HTTP'), fc.boolean(), (parts, scheme, bare) => {
        const plain = { ...parts, framing: null, ...(bare ? { path: '' } : {}) };
        const text = requestText({ ...plain, path: `${scheme}://${parts.host}${plain.path}` });
        const facts = readInEverySplit('request', text);
        assert.equal(facts.result, Parse.done, facts.problem);
        assert.equal(facts.host, parts.host);
        assert.equal(facts.path, bare ? '/' : parts.path);
        const origin = parts.method === 'OPTIONS' && bare && parts.query === '' ? '*' : `${facts.path}${parts.query}`;
        assert.equal(facts.originForm, origin);
      }),
      { numRuns: 200 },
    );
  });

  it('reads every valid response for what it is, whatever the split', () => {
    const parts = fc.record({
      minor: fc.constantFrom(0, 1),
      status: fc.integer({ min: 100, max: 999 }),
      reason: plainField.map(({ value }) => value),
      fields: fc.array(plainField, { maxLength: 8 }),
    });
    fc.assert(
      fc.property(parts, ({ minor, status, reason, fields }) => {
        const text = `HTTP/1.${minor} ${status} ${reason}\r\n${fieldLines(fields)}\r\n`;
        const facts = readInEverySplit('response', text);
        assert.equal(facts.result, Parse.done, facts.problem);
        assert.deepEqual([facts.minor, facts.status, facts.reason], [minor, status, reason]);
        assert.deepEqual(
          facts.fields.map(([name, value]) => [name, value]),
          fields.map(({ name, value }) => [name, value]),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('53: whatever a request has been made of, what is let through is a valid head', () => {
    const head = new Head();
    fc.assert(
      fc.property(requestParts, edits, (parts, list) => {
        const bytes = Buffer.from(edited(requestText(parts), list), 'latin1');
        if (head.parseRequest(bytes, 0, bytes.length) !== Parse.done) return;
        const plain = inPlainForm(head.text, 'request');
        assert.match(plain, REQUEST_HEAD);
        assert.equal(fieldProblem(plain, 'request'), '', JSON.stringify(head.text));
        assert.equal(bytes.latin1Slice(head.consumed - head.text.length, head.consumed), head.text);
      }),
      { numRuns: 5_000 },
    );
  });

  it('54: whatever a response has been made of, what is let through is a valid head', () => {
    const head = new Head();
    fc.assert(
      fc.property(
        fc.array(plainField, { maxLength: 4 }),
        edits,
        fc.constantFrom('Content-Length: 5', 'Transfer-Encoding: chunked'),
        (fields, list, framing) => {
          const text = `HTTP/1.1 200 OK\r\n${framing}\r\n${fieldLines(fields)}\r\n`;
          const bytes = Buffer.from(edited(text, list), 'latin1');
          if (head.parseResponse(bytes, 0, bytes.length) !== Parse.done) return;
          const plain = inPlainForm(head.text, 'response');
          assert.match(plain, RESPONSE_HEAD);
          assert.equal(fieldProblem(plain, 'response'), '', JSON.stringify(head.text));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('53: bytes at random never raise an exception', () => {
    const head = new Head(5);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (array, asRequest) => {
        const bytes = Buffer.from(array);
        if (asRequest) head.parseRequest(bytes, 0, bytes.length);
        else head.parseResponse(bytes, 0, bytes.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
