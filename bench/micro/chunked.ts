import { moduleOf, type Pass, type Suite } from './pass.ts';

type ChunkedModule = typeof import('../../src/http1/chunked.ts');

const BODY_BYTES = 64_000;
const DONE = 0;

function body(chunkBytes: number, extension = ''): Buffer {
  const chunk = `${chunkBytes.toString(16)}${extension}\r\n${'x'.repeat(chunkBytes)}\r\n`;
  return Buffer.from(`${chunk.repeat(BODY_BYTES / chunkBytes)}0\r\n\r\n`, 'latin1');
}

/** Body framing: what reading a chunked body of about 64 KiB in one read costs. */
export const chunked: Suite = async (root) => {
  const { ChunkedDecoder } = await moduleOf<ChunkedModule>(root, 'src/http1/chunked.ts');
  const reader = (bytes: Buffer, wire: boolean): Pass => {
    const decoder = new ChunkedDecoder();
    return (times) => {
      for (let i = 0; i < times; i++) {
        decoder.reset(wire, 16_384);
        if (decoder.feed(bytes, 0, bytes.length) !== DONE) throw new Error(decoder.problem);
      }
    };
  };
  return {
    '8 chunks of 8000 bytes, with framing': reader(body(8_000), true),
    '1000 chunks of 64 bytes, with framing': reader(body(64), true),
    '1000 chunks of 64 bytes, data only': reader(body(64), false),
    '1000 chunks of 64 bytes with an extension': reader(body(64, ';a=b'), true),
  };
};
