import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchError } from '../bench-error.ts';
import { workerGenerator } from '../load/worker.ts';
import type { Processes } from '../processes.ts';
import { type HeaderLine, PLAIN_GET } from '../request-head.ts';
import { Requests } from './requests.ts';
import type { ResidentLimpet } from './resident-limpet.ts';

/** Requests of some sessions at a fixed rate. */
export interface Offer {
  readonly marks: readonly HeaderLine[];
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
}

/** What was seen of them. */
export interface Offered {
  readonly requests: Requests;
  /**
   * p99 of those during which the hypervisor took no core away, ms, and their share; 0: too few, and the p99 is that of
   * all.
   */
  readonly calm: { readonly p99: number; readonly kept: number };
}

/** Puts load on a limpet. Throws a BenchError when a request fails. */
export async function offer(
  processes: Processes,
  directory: string,
  limpet: ResidentLimpet,
  load: Offer,
): Promise<Offered> {
  const file = join(directory, 'requests');
  const job = { ...PLAIN_GET, ...load, port: limpet.port, tls: false };
  const result = await workerGenerator('./paced-worker.ts', [file])(processes, [], job, () => {});
  if (result.errors + result.non2xx > 0) {
    throw new BenchError(
      `${limpet.name}: ${result.errors} of its requests failed, ${result.non2xx} were answered with another status than 2xx: is --rate ${load.rate} more than this machine carries?`,
    );
  }
  const bytes = readFileSync(file);
  rmSync(file);
  const values = new Float64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  );
  return { requests: new Requests(values), calm: { p99: result.p99, kept: result.kept ?? 0 } };
}

/** How much of the load comes before the first write, ms. */
const LEAD_MS = 5000;

/** Waits for the right moment to put load on a limpet that is about to write a snapshot. */
export async function beforeWrite(limpet: ResidentLimpet): Promise<void> {
  await limpet.firstWrite();
  await limpet.written();
  const now = Date.now();
  await delay(limpet.nextWrite(now + LEAD_MS) - LEAD_MS - now);
}
