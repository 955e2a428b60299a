import { parseLives } from '../../backends/known-lives.ts';
import type { SessionTable } from '../table/table.ts';
import { Frame } from './handover-frames.ts';
import type { WrittenDescription } from './snapshot-description.ts';
import { type LoadCounts, loadRecords } from './snapshot-load.ts';
import type { SessionNames } from './snapshot-names.ts';
import { RECORD_BYTES, RecordDecoder } from './snapshot-record.ts';

/** Takes the rows that another process sends into the table. */
export class HandoverIntake {
  /** So far. */
  readonly counts: LoadCounts = { rows: 0, added: 0, leftOut: 0 };
  readonly #decoder: RecordDecoder;
  readonly #names: SessionNames;
  readonly #table: SessionTable;
  readonly #now: () => number;

  constructor(description: WrittenDescription, names: SessionNames, table: SessionTable, now: () => number) {
    this.#decoder = new RecordDecoder(description, names);
    this.#names = names;
    this.#table = table;
    this.#now = now;
  }

  /** One frame of NAMES, LIVES or RECORDS. @throws Error when it is not whole */
  take(type: typeof Frame.NAMES | typeof Frame.LIVES | typeof Frame.RECORDS, payload: Buffer): void {
    if (type === Frame.NAMES) this.#name(JSON.parse(payload.toString()) as string[] | NamedLives);
    else if (type === Frame.LIVES) this.#names.lives.learn(parseLives(payload.toString()));
    else if (payload.byteLength % RECORD_BYTES !== 0) throw new Error('it sends a part of a row');
    else loadRecords(payload, this.#decoder, this.#table, this.#now(), this.counts);
  }

  #name(more: string[] | NamedLives): void {
    if (Array.isArray(more)) this.#decoder.add(more);
    else this.#decoder.add(more.names, more.lives);
  }
}

interface NamedLives {
  readonly names: string[];
  readonly lives: number[];
}
