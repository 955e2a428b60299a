import fc from 'fast-check';

/** A frame as a test describes it. */
export interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
}

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The bytes of a frame (RFC 6455 5.2). Its payload is left as it is: a mask of zeros. */
export function frameBytes({ opcode, fin, payload }: Frame, masked: boolean): Buffer {
  const { length } = payload;
  const mask = masked ? 0x80 : 0;
  const head = [(fin ? 0x80 : 0) | opcode];
  if (length < 126) head.push(mask | length);
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 0xff);
  else head.push(mask | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
  if (masked) head.push(0, 0, 0, 0);
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Payload full of bytes that look like the begin of a Close frame. */
const payload = (max: number): fc.Arbitrary<Buffer> => fc.nat(max).map((length) => Buffer.alloc(length, 0x88));
const dataSizes = fc.oneof(
  payload(300),
  fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000).map((length) => Buffer.alloc(length, 0x88)),
);
const control = fc.record({ opcode: fc.constantFrom(9, 10), fin: fc.constant(true), payload: payload(125) });

/** One message in fragments, with control frames between them. */
const message: fc.Arbitrary<Frame[]> = fc
  .array(fc.tuple(fc.array(control, { maxLength: 2 }), dataSizes), { minLength: 1, maxLength: 4 })
  .map((fragments) =>
    fragments.flatMap(([controls, data], i) => [
      ...(i === 0 ? [] : controls),
      { opcode: i === 0 ? Opcode.binary : Opcode.continuation, fin: i === fragments.length - 1, payload: data },
    ]),
  );

/** What one peer may send, without a Close frame. */
export const frameSequence: fc.Arbitrary<Frame[]> = fc
  .array(
    fc.oneof(
      message,
      control.map((frame) => [frame]),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((parts) => parts.flat());

/** Lengths of reads, used in turn until everything is read: mostly tiny, so that headers are cut everywhere. */
export const readSizes: fc.Arbitrary<number[]> = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 15 }), fc.integer({ min: 16, max: 90_000 })),
  { minLength: 1, maxLength: 12 },
);

/** Cuts `bytes` into reads. */
export function* reads(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  // Large ones come by too, however the dice fall: a payload of 70,000 bytes is not read in thousands of pieces.
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = i < 400 ? sizes[i % sizes.length]! : 65_536;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
