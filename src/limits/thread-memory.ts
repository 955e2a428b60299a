import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collector: ((options?: { readonly type: 'minor' }) => void) | null = null;

/**
 * What this thread holds: its heap, and the buffers of its connections, which lie beside it. Not memory that is shared
 * or was used once: a session table of ten million rows is no pressure.
 */
export const threadMemory = {
  /** In bytes, with what nobody needs any more and V8 has not collected. */
  get used(): number {
    const { used_heap_size, external_memory } = getHeapStatistics();
    return used_heap_size + external_memory;
  },

  /** Leaves nothing that nobody needs: takes milliseconds, and is for when memory is short. */
  collect(): void {
    if (collector === null) {
      setFlagsFromString('--expose-gc');
      collector = runInNewContext('gc') as NonNullable<typeof collector>;
    }
    collector();
    // The buffers that went with it are counted until the next one begins, which need not be a whole one.
    collector({ type: 'minor' });
  },
};
