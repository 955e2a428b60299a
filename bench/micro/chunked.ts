/**
 * What reading a chunked body costs. `node bench/micro/chunked.ts [OTHER_CHUNKED_TS…]` measures other versions of src/http1/chunked.ts beside this one.
 * Each pass is a body of about 64 KiB in one read.
 */
import { compare, versions } from './versions.ts';

type ChunkedModule = typeof import('../../src/http1/chunked.ts');

const BODY_BYTES = 64_000;
const DONE = 0;

function body(chunkBytes: number, extension = ''): Buffer {
  const chunk = `${chunkBytes.toString(16)}${extension}\r\n${'x'.repeat(chunkBytes)}\r\n`;
  return Buffer.from(`${chunk.repeat(BODY_BYTES / chunkBytes)}0\r\n\r\n`, 'latin1');
}

function reader(bytes: Buffer, wire: boolean): (module: ChunkedModule) => (times: number) => void {
  return ({ ChunkedDecoder }) => {
    const decoder = new ChunkedDecoder();
    return (times) => {
      for (let i = 0; i < times; i++) {
        decoder.reset(wire, 16_384);
        if (decoder.feed(bytes, 0, bytes.length) !== DONE) throw new Error(decoder.problem);
      }
    };
  };
}

compare(await versions<ChunkedModule>('../../src/http1/chunked.ts'), {
  '8 chunks of 8000 bytes, with framing': reader(body(8_000), true),
  '1000 chunks of 64 bytes, with framing': reader(body(64), true),
  '1000 chunks of 64 bytes, data only': reader(body(64), false),
  '1000 chunks of 64 bytes with an extension': reader(body(64, ';a=b'), true),
});
