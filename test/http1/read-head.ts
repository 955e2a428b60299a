import assert from 'node:assert/strict';
import { Head, Parse } from '../../src/http1/head.ts';

/** What a test wants to know of a parsed head, in one object that can be compared. */
export interface HeadFacts {
  readonly result: number;
  readonly problem: string;
  readonly consumed: number;
  readonly minor: number;
  readonly method: string;
  readonly originForm: string;
  readonly path: string;
  readonly host: string;
  readonly status: number;
  readonly reason: string;
  readonly framing: number;
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly connection: number;
  readonly expect: number;
  readonly teTrailers: boolean;
  readonly fields: readonly (readonly [name: string, value: string, id: number])[];
}

/** The facts of a head that was parsed with `result`. */
export function factsOf(head: Head, result: number, kind: 'request' | 'response'): HeadFacts {
  const done = result === Parse.done;
  const request = done && kind === 'request';
  const fields: [string, string, number][] = [];
  if (done) for (let i = 0; i < head.count; i++) fields.push([head.name(i), head.value(i), head.id(i)]);
  return {
    result,
    problem: result === Parse.bad ? head.problem : '',
    consumed: done ? head.consumed : 0,
    minor: done ? head.minor : 0,
    method: request ? head.method : '',
    originForm: request ? head.originForm : '',
    path: request ? head.path : '',
    host: request ? head.host : '',
    status: done && kind === 'response' ? head.status : 0,
    reason: done && kind === 'response' ? head.text.slice(head.reasonStart, head.fieldsStart - 2) : '',
    framing: request ? head.framing : done ? head.responseFraming('GET') : 0,
    contentLength: done ? head.contentLength : 0,
    keepAlive: done && head.keepAlive,
    connection: done ? head.connection : 0,
    expect: done ? head.expect : 0,
    teTrailers: done && head.teTrailers,
    fields,
  };
}

function parse(head: Head, kind: 'request' | 'response', bytes: Buffer, start: number, end: number): HeadFacts {
  const result = kind === 'request' ? head.parseRequest(bytes, start, end) : head.parseResponse(bytes, start, end);
  return factsOf(head, result, kind);
}

/**
 * Parses `text` as it would come in reads of every length: the head after each byte. Whatever the split, the outcome is
 * one and the same, known from some byte on and never taken back; before it more is asked for. Also in the middle of a
 * larger buffer.
 */
export function readInEverySplit(kind: 'request' | 'response', text: string, maxFields = 100): HeadFacts {
  const bytes = Buffer.from(text, 'latin1');
  const head = new Head(maxFields);
  const whole = parse(head, kind, bytes, 0, bytes.length);
  const final = whole.result === Parse.done ? whole.consumed : bytes.length;
  let known = false;
  for (let length = 0; length <= bytes.length; length++) {
    const facts = parse(head, kind, bytes, 0, length);
    if (facts.result === Parse.more) {
      assert.ok(!known, `an outcome was taken back at byte ${length}`);
      assert.ok(length < final || whole.result === Parse.more, `no outcome at byte ${length}`);
      continue;
    }
    known = true;
    assert.deepEqual(facts, whole, `another outcome at byte ${length}`);
    if (whole.result === Parse.done) assert.ok(length >= final, `done too early, at byte ${length}`);
  }
  const shifted = Buffer.concat([Buffer.from('\0GET \r\n'), bytes, Buffer.from('HTTP/1.1 \0')]);
  assert.deepEqual(parse(head, kind, shifted, 7, 7 + bytes.length), whole, 'another outcome in the middle of a buffer');
  return whole;
}

/** A request head that has to be accepted. */
export function accepted(text: string): HeadFacts {
  const facts = readInEverySplit('request', text);
  assert.equal(facts.result, Parse.done, facts.problem || 'more was asked for');
  return facts;
}

/** A request head that has to be refused; returns why it was. */
export function refused(text: string): string {
  const facts = readInEverySplit('request', text);
  assert.equal(facts.result, Parse.bad, `result ${facts.result} for ${JSON.stringify(text)}`);
  return facts.problem;
}

/** A response head that has to be accepted. */
export function acceptedResponse(text: string): HeadFacts {
  const facts = readInEverySplit('response', text);
  assert.equal(facts.result, Parse.done, facts.problem || 'more was asked for');
  return facts;
}

/** A response head that has to be refused; returns why it was. */
export function refusedResponse(text: string): string {
  const facts = readInEverySplit('response', text);
  assert.equal(facts.result, Parse.bad, `result ${facts.result} for ${JSON.stringify(text)}`);
  return facts.problem;
}
