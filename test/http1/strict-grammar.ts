/**
 * The grammar of a message head as regular expressions, written from the RFCs and apart from the parser: whatever the
 * parser lets through has to match. Also what tests hold the bytes against that reach a backend or a client.
 */
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = '[\\t\\x20-\\x7e\\x80-\\xff]*';
const FIELD_LINES = `(?:${TOKEN}:${VALUE}\\r\\n)*\\r\\n`;

/** RFC 9112 section 3: a request head, from the request line to the empty line. */
export const REQUEST_HEAD = new RegExp(`^${TOKEN} [\\x21-\\x22\\x24-\\x7e]+ HTTP/1\\.[01]\\r\\n${FIELD_LINES}$`);
/** RFC 9112 section 4. The space before an empty reason is not asked for. */
export const RESPONSE_HEAD = new RegExp(`^HTTP/1\\.[01] [1-9][0-9]{2}(?: ${VALUE})?\\r\\n${FIELD_LINES}$`);

/** What is ambiguous or illegal about the fields of a head that matches; '' when nothing is. */
export function fieldProblem(head: string, kind: 'request' | 'response'): string {
  const line = head.slice(0, head.indexOf('\r\n'));
  const fields = head
    .slice(line.length + 2, -4)
    .split('\r\n')
    .filter((text) => text !== '')
    .map((text): [string, string] => {
      const colon = text.indexOf(':');
      return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
    });
  const valuesOf = (name: string): string[] => fields.filter(([other]) => other === name).map(([, value]) => value);
  const lengths = valuesOf('content-length');
  const codings = valuesOf('transfer-encoding');
  const hosts = valuesOf('host');
  if (lengths.length > 1) return 'two Content-Length lines';
  if (lengths.some((value) => !/^[0-9]+$/.test(value))) return 'Content-Length is not digits only';
  if (codings.length > 1) return 'two Transfer-Encoding lines';
  if (codings.some((value) => value.toLowerCase() !== 'chunked')) return 'Transfer-Encoding is not chunked';
  if (codings.length > 0 && lengths.length > 0) return 'Content-Length with Transfer-Encoding';
  const http10 = kind === 'request' ? line.endsWith('HTTP/1.0') : line.startsWith('HTTP/1.0');
  if (codings.length > 0 && http10) return 'Transfer-Encoding in HTTP/1.0';
  if (hosts.length > 1) return 'two Host lines';
  if (kind === 'request' && hosts.length === 0 && !http10) return 'no Host';
  if (hosts.some((value) => !/^(?:\[[0-9A-Fa-f:.]+\]|[-\w.~!$&'()*+;=]+)(?::[0-9]*)?$/.test(value)))
    return 'invalid Host';
  return '';
}

/**
 * A head with what limpet takes although it is not plain brought into the form in which it goes on; anything else stays
 * as it is.
 */
export function inPlainForm(head: string, kind: 'request' | 'response'): string {
  const plain = head
    .replace(kind === 'request' ? /^(\S+ \S+ HTTP\/1\.)[2-9](?=\r\n)/ : /^(HTTP\/1\.)[2-9](?= )/, '$11')
    .replace(/^host:[ \t]*\r\n/im, 'Host: backend\r\n');
  if (kind === 'request') return plain;
  const lengths = [...plain.matchAll(/^content-length:[ \t]*(\d+)[ \t]*\r\n/gim)].map(([, digits]) => Number(digits));
  if (new Set(lengths).size > 1) return plain;
  let first = true;
  return plain.replace(/^content-length:[ \t]*\d+[ \t]*\r\n/gim, (line) => {
    if (!first) return '';
    first = false;
    return line;
  });
}
