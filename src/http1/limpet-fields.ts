import { HeaderId } from './header-id.ts';

/**
 * Fields in which limpet and the application speak to each other: what came in one of them never goes on, neither to
 * the backend nor to the client, in a head or a trailer.
 */
export const LIMPET_FIELD_IDS: readonly number[] = [
  HeaderId.limpetSession,
  HeaderId.limpetSessionMoved,
  HeaderId.limpetSessionExpired,
  HeaderId.limpetUser,
  HeaderId.limpetError,
  HeaderId.limpetBackend,
  HeaderId.limpetExplain,
  HeaderId.limpetOther,
];
