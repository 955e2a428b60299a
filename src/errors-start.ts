/**
 * limpet cannot start or go on for a reason that its operator can remove: a port in use, a file that cannot be read.
 * The message is one line that says what to do; the command line prints it without a stack and ends with status 1.
 */
export class StartError extends Error {
  override readonly name = 'StartError';
}
