import { chunked } from './chunked.ts';
import { cookieFind } from './cookie-find.ts';
import { head } from './head.ts';
import type { Suite } from './pass.ts';
import { rendezvous } from './rendezvous.ts';
import { table } from './table.ts';

/** The micro benchmarks by area. The other scripts of this folder stand alone. */
export const SUITES: Readonly<Record<string, Suite>> = {
  head,
  'cookie-find': cookieFind,
  table,
  rendezvous,
  chunked,
};
