/** A failure with a message for the person at the terminal: what went wrong and what to do; shown without a stack. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
