import type { Backend } from '../backends/backend.ts';
import type { Restarts } from './restarts.ts';

/** Who knows what other nodes see of a backend, see Refusals. */
interface Nodes {
  hasEnded(name: string, life: number): Promise<boolean>;
}

/** A backend refuses connections: ends this life of it when the nodes agree. Never rejects. */
export async function concludeRefusal(nodes: Nodes, restarts: Restarts, backend: Backend, life: number): Promise<void> {
  if (await nodes.hasEnded(`${backend.pool}/${backend.id}`, life)) restarts.conclude(backend, life, 'refused');
}
