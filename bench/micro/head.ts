import { PLAIN_GET, requestHead } from '../request-head.ts';
import { moduleOf, type Pass, type Suite } from './pass.ts';

type MemoryModule = typeof import('../../src/bytes/memory.ts');
type HeadModule = typeof import('../../src/http1/head.ts');

const FEW =
  'GET /api/cart/items/42?sid=abcdef HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nCookie: limpet=0123456789abcdef0123456789abcdef\r\n\r\n';
const BROWSER = requestHead('shop.example', { ...PLAIN_GET, headers: 'browser' }, [
  'Cookie',
  'limpet=0123456789abcdef0123456789abcdef0123456789',
]);
const RESPONSE =
  'HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 60\r\nETag: W/"3c-fWb2cV1Jqz1b0o9b0o0o"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n';

/** What reading a message head costs, where connections read to: at the start of a large buffer. */
export const head: Suite = async (root) => {
  const { Head, Parse } = await moduleOf<HeadModule>(root, 'src/http1/head.ts');
  const bytes =
    (await moduleOf<MemoryModule>(root, 'src/bytes/memory.ts').catch(() => null))?.incoming ?? Buffer.alloc(65_536);
  const reader = (text: string, request: boolean): Pass => {
    const end = bytes.write(text, 'latin1');
    const parsed = new Head(100, true);
    return (times) => {
      bytes.write(text, 'latin1');
      for (let i = 0; i < times; i++) {
        const result = request ? parsed.parseRequest(bytes, 0, end) : parsed.parseResponse(bytes, 0, end);
        if (result !== Parse.done) throw new Error(`refused: ${parsed.problem}`);
      }
    };
  };
  return {
    [`request, 4 headers, ${FEW.length} bytes`]: reader(FEW, true),
    [`request of a browser, 20 headers, ${BROWSER.length} bytes`]: reader(BROWSER, true),
    [`response, 6 headers, ${RESPONSE.length} bytes`]: reader(RESPONSE, false),
  };
};
