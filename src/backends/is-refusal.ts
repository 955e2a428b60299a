/**
 * Whether a connect failed because nobody listens: ECONNREFUSED from every address of the name, or a unix socket that
 * is not there. Its process may have ended; what does not answer has not said so.
 */
export function isRefusal(error: NodeJS.ErrnoException | AggregateError): boolean {
  // Of a name with several addresses; what was not tried is not among them only when one has answered.
  if ('errors' in error) return error.errors.length > 0 && error.errors.every(isRefusal);
  const { code, syscall } = error;
  return syscall === 'connect' && (code === 'ECONNREFUSED' || code === 'ENOENT');
}
