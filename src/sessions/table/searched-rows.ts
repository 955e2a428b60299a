import type { SessionTable } from './table.ts';

/**
 * What the search for a request's session needs of the session table. The table is one; who only wants to know what
 * would be found passes a view of it that changes nothing.
 */
export type SearchedRows = Pick<
  SessionTable,
  'lookup' | 'touch' | 'peek' | 'applyStoreAnswer' | 'keep' | 'setIssued' | 'setBinding' | 'successor' | 'floor'
>;
