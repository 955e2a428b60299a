import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FieldBlock } from '../../src/http1/field-block.ts';
import { Parse } from '../../src/http1/parse.ts';

function parse(text: string, maxFields = 100): FieldBlock & { result: number } {
  const block = new FieldBlock(maxFields);
  return Object.assign(block, { result: block.parseTrailers(Buffer.from(text, 'latin1')) });
}

describe('58: trailer sections', () => {
  it('58: what they say about framing and the connection counts for nothing', () => {
    const text =
      'Content-Length: x\r\nTransfer-Encoding: gzip\r\nHost: a b\r\nHost:\r\nConnection: close\r\nExpect: x\r\n\r\n';
    const block = parse(text);
    assert.equal(block.result, Parse.done, block.problem);
    assert.equal(block.count, 6);
    assert.deepEqual([block.contentLength, block.chunked, block.connection, block.expect], [-1, false, 0, 0]);
  });

  it('58: reads field lines', () => {
    const block = parse('Vary: *\r\nX-Checksum:\tabc\xff \r\n\r\n');
    assert.equal(block.result, Parse.done);
    assert.deepEqual(
      [block.name(0), block.value(0), block.name(1), block.value(1)],
      ['Vary', '*', 'X-Checksum', 'abc\xff'],
    );
    assert.equal(parse('\r\n').count, 0);
  });

  it('53: are as strict as headers', () => {
    for (const text of [
      '',
      'A: b',
      'A: b\r\n',
      'A: b\r\n\r',
      '\r\nA: b\r\n\r\n',
      'A: b\r\n\r\nX',
      ' A: b\r\n\r\n',
      'A: b\r\n c\r\n\r\n',
      'A : b\r\n\r\n',
      'A: b\n\r\n',
      'A: b\0\r\n\r\n',
      'A\r\n\r\n',
    ]) {
      assert.equal(parse(text).result, Parse.bad, JSON.stringify(text));
    }
    assert.equal(parse('A: b\r\nC: d\r\n\r\n', 1).result, Parse.tooMany);
  });
});
