/**
 * limpet's readers against Node's HTTP parser (llhttp), on messages from a generator: limpet lets nothing through that
 * Node refuses, but for what differences.ts says, and what both let through they read alike.
 *
 * A failure says the seed and the case. FUZZ_CASES=1000000 FUZZ_SEED=7 node --test test/fuzz/differential.test.ts runs
 * longer, or another row.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { often } from '../support/long.ts';
import { compareStreams } from './compare-streams.ts';
import { REQUEST_DIFFERENCES, RESPONSE_DIFFERENCES } from './differences.ts';
import { inPieces } from './in-pieces.ts';
import { readByLimpet } from './limpet-requests.ts';
import { readResponseByLimpet } from './limpet-responses.ts';
import type { ReadStream } from './message.ts';
import { NodeRequests } from './node-requests.ts';
import { readByNode } from './node-responses.ts';
import { requestText } from './request-generator.ts';
import { responseText } from './response-generator.ts';
import { SeededRandom } from './seeded-random.ts';

const CASES = Number(process.env.FUZZ_CASES ?? often(2_500, 50_000));
const SEED = Number(process.env.FUZZ_SEED ?? 1);

/**
 * How many cases both let through, only Node, or neither: a run in which hardly anything is let through proves nothing.
 */
class Tally {
  both = 0;
  nodeOnly = 0;
  neither = 0;

  add(limpet: ReadStream, node: ReadStream): void {
    if (limpet.messages.some(({ complete }) => complete)) this.both++;
    else if (node.messages.some(({ complete }) => complete)) this.nodeOnly++;
    else this.neither++;
  }

  check(): void {
    for (const [name, count] of Object.entries({ ...this })) {
      assert.ok(count > CASES / 50, `${name}: only ${count} of ${CASES} cases`);
    }
  }
}

function fail(what: string, i: number, text: string, limpet: ReadStream, node: ReadStream): never {
  assert.fail(
    `FUZZ_SEED=${SEED}, case ${i}: ${what}\n${JSON.stringify(text)}\nlimpet: ${JSON.stringify(limpet)}\nNode: ${JSON.stringify(node)}`,
  );
}

describe('differential', () => {
  it('53: no request is let through that Node refuses, and what both let through they read alike', async (t) => {
    const random = new SeededRandom(SEED);
    const reader = new NodeRequests();
    const tally = new Tally();
    for (let i = 0; i < CASES; i++) {
      const text = requestText(random);
      const pieces = inPieces(text, random);
      const limpet = readByLimpet(pieces);
      const node = await reader.read(pieces);
      tally.add(limpet, node);
      const problem = compareStreams(limpet, node, REQUEST_DIFFERENCES, '', text);
      if (problem !== '') fail(problem, i, text, limpet, node);
    }
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(tally)}`);
    tally.check();
  });

  it('54: no response is let through that Node refuses, and what both let through they read alike', async (t) => {
    const random = new SeededRandom(SEED);
    const tally = new Tally();
    for (let i = 0; i < CASES; i++) {
      const text = responseText(random);
      const pieces = inPieces(text, random);
      const method = random.pick(['GET', 'GET', 'POST', 'HEAD']);
      const limpet = readResponseByLimpet(method, pieces);
      const node = await readByNode(method, pieces);
      tally.add(limpet, node);
      const problem = compareStreams(limpet, node, RESPONSE_DIFFERENCES, method, text);
      if (problem !== '') fail(problem, i, text, limpet, node);
    }
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(tally)}`);
    tally.check();
  });
});
