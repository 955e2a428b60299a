/**
 * Errors of connect that are this machine's, and say nothing about the backend (behaviour 71): no descriptor, memory or
 * port is left.
 */
export const OWN_LIMITS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']);
