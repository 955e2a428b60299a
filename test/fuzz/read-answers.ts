import { fieldProblem, RESPONSE_HEAD } from '../http1/strict-grammar.ts';
import { readPlainChunks } from './plain-chunks.ts';

/** A response as a client gets it. */
export interface Answer {
  readonly status: number;
  /** Value of Limpet-Error; '' when it is not limpet's own. */
  readonly error: string;
  readonly body: string;
  /** It has ended where it should; false: the connection ended before. */
  readonly complete: boolean;
}

/** All that a client got on one connection. */
export interface Answers {
  /** Final responses. */
  readonly answers: readonly Answer[];
  /** What is no HTTP/1.1 response; '' when everything is. */
  readonly garbage: string;
}

/**
 * Reads what a client got until its connection ended, by the letter: responses one behind the other, 1xx before them,
 * nothing else.
 * @param head the first one answers a HEAD request
 */
export function readAnswers(text: string, head: boolean): Answers {
  const answers: Answer[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\r\n\r\n', at) + 4;
    const block = text.slice(at, end);
    if (end < 4 || !RESPONSE_HEAD.test(block)) return { answers, garbage: text.slice(at) };
    const problem = fieldProblem(block, 'response');
    if (problem !== '') return { answers, garbage: `${problem}: ${block}` };
    at = end;
    const status = Number(block.slice(9, 12));
    if (status === 101) return { answers, garbage: '' };
    if (status < 200) continue;
    let body = '';
    let complete = true;
    if (!(head && answers.length === 0) && status !== 204 && status !== 304) {
      const length = /^content-length:[ \t]*(\d+)/im.exec(block)?.[1];
      if (/^transfer-encoding:/im.test(block)) {
        const chunks = readPlainChunks(text, at);
        if (chunks.problem !== '') return { answers, garbage: `${chunks.problem}: ${text.slice(at)}` };
        body = chunks.data;
        complete = chunks.end >= 0;
        at = complete ? chunks.end : text.length;
      } else {
        const stop = length === undefined ? text.length : at + Number(length);
        body = text.slice(at, stop);
        complete = stop <= text.length;
        at = Math.min(stop, text.length);
      }
    }
    answers.push({ status, error: /^limpet-error: (\w+)\r$/im.exec(block)?.[1] ?? '', body, complete });
  }
  return { answers, garbage: '' };
}
