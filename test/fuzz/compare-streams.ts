import { isDeepStrictEqual } from 'node:util';
import { asksForUpgrade, type Difference, isKeepAliveDifference } from './differences.ts';
import type { ReadMessage, ReadStream } from './message.ts';

/**
 * Holds what limpet made of a stream against what Node made of it: limpet lets nothing through that Node refuses, and
 * what both let through is the same message with the same end. The other way round limpet may be stricter.
 * @param method of the request, when the streams are answers to it
 * @param text what both have read
 * @returns what is wrong, or ''
 */
export function compareStreams(
  limpet: ReadStream,
  node: ReadStream,
  differences: readonly Difference[],
  method = '',
  text = '',
): string {
  for (const [i, mine] of limpet.messages.entries()) {
    const theirs = node.messages[i];
    // Framed by limpet, refused by it all the same: nothing was let through.
    const refusedInBody = !mine.complete && limpet.refused !== '';
    const explained = differences.find((difference) =>
      difference.explains(mine, node.refused, theirs !== undefined, limpet.messages[i - 1], text),
    );
    if (explained?.framesOtherwise === true) return '';
    // Refused by Node in the middle of a message of which limpet waits for more.
    if (explained !== undefined && node.refused !== '' && theirs?.complete === false) return '';
    if (theirs === undefined || (mine.complete && !theirs.complete)) {
      if (refusedInBody || explained !== undefined) return '';
      return `message ${i}: limpet lets it through, Node ${node.refused === '' ? 'waits' : `refuses it: ${node.refused}`}`;
    }
    const differs = compareMessages(mine, theirs, refusedInBody, method);
    if (differs !== '') return `message ${i}: ${differs}`;
    if (refusedInBody) return '';
    if (!mine.complete && theirs.complete) return `message ${i}: limpet waits for more of it, to Node it has ended`;
    // Behind the last message of a connection both drop what comes, each in its own way.
    if (!mine.keepAlive || !theirs.keepAlive) return '';
    // What comes behind a request for an upgrade is for the new protocol or for HTTP, as the answer will have it.
    if (asksForUpgrade(mine)) return '';
  }
  if (limpet.refused === '' && node.messages.length > limpet.messages.length)
    return `Node sees a message ${limpet.messages.length}, limpet waits for more of its head`;
  return '';
}

/** What differs between two readings of one message; '' when nothing does. */
function compareMessages(mine: ReadMessage, theirs: ReadMessage, headOnly: boolean, method: string): string {
  if (mine.start !== theirs.start) return `start line: ${mine.start} and ${theirs.start}`;
  if (mine.version !== theirs.version) return `version: ${mine.version} and ${theirs.version}`;
  if (!isDeepStrictEqual(mine.fields, theirs.fields))
    return `fields: ${JSON.stringify(mine.fields)} and ${JSON.stringify(theirs.fields)}`;
  if (mine.keepAlive !== theirs.keepAlive && !isKeepAliveDifference(mine, method))
    return `keep-alive: ${mine.keepAlive} and ${theirs.keepAlive}`;
  if (headOnly) return '';
  if (mine.body !== theirs.body) return `body: ${JSON.stringify(mine.body)} and ${JSON.stringify(theirs.body)}`;
  // limpet leaves out trailers that mean something (behaviour 58); the others keep their order.
  let from = 0;
  for (let i = 0; i < mine.trailers.length; i += 2) {
    for (; from < theirs.trailers.length; from += 2) {
      if (mine.trailers[i] === theirs.trailers[from] && mine.trailers[i + 1] === theirs.trailers[from + 1]) break;
    }
    if (from >= theirs.trailers.length)
      return `trailers: ${JSON.stringify(mine.trailers)} and ${JSON.stringify(theirs.trailers)}`;
    from += 2;
  }
  return '';
}
