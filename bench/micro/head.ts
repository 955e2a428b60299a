/**
 * What reading a message head costs. `node bench/micro/head.ts [OTHER_HEAD_TS…]` measures other versions of src/http1/head.ts beside this one.
 */
import { PLAIN_GET, requestHead } from '../request-head.ts';
import { compare, versions } from './versions.ts';

type HeadModule = typeof import('../../src/http1/head.ts');

const requests = {
  'request, 4 headers':
    'GET /api/cart/items/42?sid=abcdef HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nCookie: limpet=0123456789abcdef0123456789abcdef\r\n\r\n',
  'request of a browser, 20 headers': requestHead('shop.example', { ...PLAIN_GET, headers: 'browser' }, [
    'Cookie',
    'limpet=0123456789abcdef0123456789abcdef0123456789',
  ]),
};
const response =
  'HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 60\r\nETag: W/"3c-fWb2cV1Jqz1b0o9b0o0o"\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n';

/** Reads `text` where connections read to: at the start of a large buffer. */
function reader(text: string, request: boolean): (module: HeadModule) => (times: number) => void {
  const bytes = Buffer.alloc(65_536);
  const end = bytes.write(text, 'latin1');
  return ({ Head, Parse }) => {
    const head = new Head();
    return (times) => {
      for (let i = 0; i < times; i++) {
        const result = request ? head.parseRequest(bytes, 0, end) : head.parseResponse(bytes, 0, end);
        if (result !== Parse.done) throw new Error(`refused: ${head.problem}`);
      }
    };
  };
}

const subjects = Object.fromEntries([
  ...Object.entries(requests).map(([name, text]) => [`${name}, ${text.length} bytes`, reader(text, true)] as const),
  [`response, 6 headers, ${response.length} bytes`, reader(response, false)] as const,
]);
compare(await versions<HeadModule>('../../src/http1/head.ts'), subjects);
