import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A raw message from the tests of another project's parser; see the README beside the files. */
export interface CorpusMessage {
  readonly id: string;
  /** The bytes as latin1 text. */
  readonly text: string;
  /** What its own project makes of it: takes it, refuses it, or either. */
  readonly expect: 'ok' | 'reject' | 'any';
}

/** Where the messages are: next to the repository, not in it. */
export const CORPUS = fileURLToPath(new URL('../../../shared/corpus/', import.meta.url));

/** Null when the corpus is not there. */
export function readCorpus(file: 'requests.jsonl' | 'responses.jsonl'): CorpusMessage[] | null {
  if (!existsSync(CORPUS + file)) return null;
  return readFileSync(CORPUS + file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { id, b64, expect } = JSON.parse(line) as { id: string; b64: string; expect: CorpusMessage['expect'] };
      return { id, expect, text: Buffer.from(b64, 'base64').latin1Slice() };
    });
}
