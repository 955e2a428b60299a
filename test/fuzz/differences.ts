import { METHODS } from 'node:http';
import type { ReadMessage } from './message.ts';

/**
 * Where limpet lets through what Node's parser does not, on purpose. Everything else of that kind is a failure of the
 * test.
 */
export interface Difference {
  readonly name: string;
  readonly why: string;
  /** Node may not refuse the message, but frame it otherwise: there is nothing to compare behind its head. */
  readonly framesOtherwise?: true;
  /**
   * Whether it explains why Node refused this message, for the reason that it gave.
   * @param inBody Node had let the head through
   * @param before the message before it
   * @param text all bytes of the stream
   */
  explains(
    message: ReadMessage,
    refused: string,
    inBody: boolean,
    before: ReadMessage | undefined,
    text: string,
  ): boolean;
}

const FRAMING_IN_TRAILERS: Difference = {
  name: 'a framing field in the trailers',
  why: 'limpet does not pass it on (behaviour 58), so that nobody behind it can take it for a header field; Node refuses the message.',
  explains: (message, refused, inBody) =>
    message.complete &&
    inBody &&
    // Of a request for an upgrade it takes the length in the trailers for that of a body still to come, and waits.
    (/Transfer-Encoding|Content-Length/.test(refused) ||
      (refused === '' && asksForUpgrade(message) && isChunked(message))),
};

/** White space that limpet takes out: behind a chunk size, and around the parts of a chunk extension. */
const CHUNK_SPACE = /^[0-9a-f]+(?:[ \t]+(?:;|\r\n)|[^\r\n]*(?:[;=][ \t]|[ \t][;=]))/im;

/** Taken in a form that is not plain, and written anew (F11). */
const NOT_PLAIN: readonly Difference[] = [
  {
    name: 'white space in a chunk size line',
    why: 'RFC 9112 7.1.1 has a recipient read it, before and in extensions; behind the size old servers send spaces, which are taken of responses only.',
    explains: (message, refused, inBody, _before, text) =>
      inBody && isChunked(message) && /in chunk (?:size|extensions)/i.test(refused) && CHUNK_SPACE.test(text),
  },
  {
    name: 'Transfer-Encoding with a tab',
    framesOtherwise: true,
    why: 'RFC 9110 5.5: a tab around a value is no part of it. Node takes "chunked" with one for a coding that it does not know.',
    explains: (message, _refused, _inBody, _before, text) =>
      valuesOf(message, 'transfer-encoding').join() === 'chunked' &&
      /^transfer-encoding:(?:[ \t]*\t[ \t]*chunked|[ \t]*chunked[ \t]*\t)/im.test(text),
  },
  {
    name: 'a later minor version',
    why: 'RFC 9110 2.5: a message of a higher minor version is read as one of the highest that is known.',
    explains: (_message, refused, _inBody, _before, text) =>
      /HTTP version/.test(refused) && /HTTP\/1\.[2-9]/.test(text),
  },
];

export const REQUEST_DIFFERENCES: readonly Difference[] = [
  FRAMING_IN_TRAILERS,
  ...NOT_PLAIN,
  {
    name: 'a method that Node does not know',
    why:
      'RFC 9110 9.1 and 16.1: methods can be added, and a proxy passes on those it does not know. A method decides nothing about the framing of a request; ' +
      'that of the response follows from HEAD and CONNECT alone, which limpet knows.',
    explains: ({ start }, refused) =>
      !METHODS.includes(start.slice(0, start.indexOf(' '))) && /method|Pause on PRI/i.test(refused),
  },
  {
    name: 'CONNECT',
    why: 'limpet answers 405 (behaviour 67) and reads on; Node closes the connection when nobody listens for CONNECT. Neither opens a tunnel.',
    explains: ({ start }) => start.startsWith('CONNECT '),
  },
];

export const RESPONSE_DIFFERENCES: readonly Difference[] = [
  FRAMING_IN_TRAILERS,
  ...NOT_PLAIN,
  {
    name: 'the same Content-Length twice',
    why: 'RFC 9112 6.3 lets a recipient take it for one. The client gets one.',
    explains: (message, refused) => {
      const lengths = valuesOf(message, 'content-length').map(Number);
      return /Content-Length/.test(refused) && lengths.length > 1 && new Set(lengths).size === 1;
    },
  },
  {
    name: 'a 1xx response with Connection: close',
    why: 'Node takes the connection to be over then. RFC 9110 15.2: a final response follows a 1xx in any case, and it says whether the connection stays.',
    explains: (_message, refused, _inBody, before) =>
      before?.start.startsWith('1') === true && refused === 'Data after `Connection: close`',
  },
];

/** Where both let a message through and disagree, on purpose, about whether the connection stays open. */
export const KEEP_ALIVE_DIFFERENCES: readonly Omit<Difference, 'explains'>[] = [
  {
    name: 'Proxy-Connection',
    why: 'Node reads it as Connection. RFC 9112 appendix C.2.2: it is no field of HTTP, and a proxy that heeds it can be hung by one that does not.',
  },
  {
    name: 'HEAD without Content-Length and Transfer-Encoding',
    why: 'Node takes such a response for one that ends with the connection. RFC 9112 6.3: the response to HEAD ends with its head.',
  },
  {
    name: 'HTTP/1.0 with both keep-alive and close',
    why: 'Node keeps the connection, limpet closes it: close comes first in RFC 9112 9.3.',
  },
];

/**
 * Whether one of KEEP_ALIVE_DIFFERENCES is about this message; `method` is that of the request when it is a response.
 */
export function isKeepAliveDifference({ version, fields }: ReadMessage, method: string): boolean {
  const isFraming = (name: string, i: number): boolean =>
    i % 2 === 0 && /^(?:content-length|transfer-encoding)$/i.test(name);
  if (method === 'HEAD' && !fields.some(isFraming)) return true;
  const tokensOf = (wanted: string): string[] =>
    fields
      .flatMap((name, i) => (i % 2 === 0 && name.toLowerCase() === wanted ? fields[i + 1]!.split(',') : []))
      .map((token) => token.trim().toLowerCase());
  if (tokensOf('proxy-connection').some((token) => token === 'close' || token === 'keep-alive')) return true;
  const tokens = tokensOf('connection');
  return version === '1.0' && tokens.includes('close') && tokens.includes('keep-alive');
}

/** Whether this is a request to switch to another protocol. */
export function asksForUpgrade({ fields }: ReadMessage): boolean {
  const names = fields.map((name, i) => (i % 2 === 0 ? name.toLowerCase() : ''));
  return names.includes('upgrade') && names.some((name, i) => name === 'connection' && /upgrade/i.test(fields[i + 1]!));
}

function valuesOf({ fields }: ReadMessage, name: string): string[] {
  return fields
    .filter((_, i) => i % 2 === 1 && fields[i - 1]!.toLowerCase() === name)
    .map((value) => value.toLowerCase());
}

function isChunked({ fields }: ReadMessage): boolean {
  return fields.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'transfer-encoding');
}
