import { BenchError } from './bench-error.ts';
import type { RunSetting } from './setting.ts';

/**
 * Does what belongs to one proxy. A failure with a reason (BenchError) is noted as that proxy's, and the others go on.
 * @returns what `work` returns, or null when it failed
 */
export async function attempt<T>(
  { fail }: Pick<RunSetting, 'fail'>,
  name: string,
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    fail(name, error.message);
    return null;
  }
}
