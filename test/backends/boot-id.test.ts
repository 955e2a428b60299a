import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootId } from '../../src/backends/boot-id.ts';

test('M1: boot is a token, a string or an integer of a dictionary (RFC 9651 3.2)', () => {
  for (const [text, id] of [
    ['boot=a1b2', 'a1b2'],
    ['boot="a b\\"\\\\"', 'a b"\\'],
    ['boot=42', '42'],
    ['boot=-7', '-7'],
    ['boot=*x/y:z', '*x/y:z'],
    ['boot=018f-2c', null],
    ['  boot=a  ', 'a'],
    ['boot=a;since=12;x', 'a'],
    ['zone=eu, boot=a', 'a'],
    ['boot=a,\tzone="e,u";q="boot=b"', 'a'],
    ['boot=a, boot=b', 'b'],
    ['list=(1 "two" three;x=?1), boot=a', 'a'],
    ['flag, other;p, boot=a', 'a'],
    ['bytes=:YWJj:, when=@1700000000, name=%"f%c3%bc", part=1.5, boot=a', 'a'],
    ['', null],
    ['boot', null],
    ['boot=', null],
    ['boot=?1', null],
    ['boot=1.5', null],
    ['boot=:YWJj:', null],
    ['boot=@17', null],
    ['boot=(a b)', null],
    ['boot=""', null],
    ['reboot=a', null],
    ['Boot=a', null],
    ['boot=a,', null],
    ['boot=a, ', null],
    ['boot=a zone=eu', null],
    ['boot=a; ;', null],
    ['boot="a', null],
    ['boot="ä"', null],
    ['boot=a, list=(1 2', null],
    ['boot=a, list=(1"2")', null],
    ['boot=1234567890123456', null],
  ] as const)
    assert.equal(bootId(text), id, text);
});
