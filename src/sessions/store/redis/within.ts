import { Deadline } from '../../../timing/deadline.ts';

/**
 * Rejects when it takes longer than `ms`; an answer that is here already counts, also when this thread was too busy to
 * look at it in time.
 */
export async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const deadline = new Deadline(ms, () => reject(new Error(`no answer within ${ms} ms`)));
  work().then(resolve, reject);
  try {
    return await promise;
  } finally {
    deadline.cancel();
  }
}
