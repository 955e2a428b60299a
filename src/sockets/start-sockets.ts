import { chooseEngine, type EngineChoice, engineFacts, type WantedEngine } from './choose-engine.ts';
import { useNodeHandles } from './node-stream-handle.ts';
import { proveReadiness } from './prove-readiness.ts';
import { openReadiness } from './readiness.ts';
import { loadSystemCalls } from './system-calls.ts';
import { threadSockets } from './thread-sockets.ts';
import { useForTransfers } from './transfers.ts';

/**
 * Makes the connections of this thread go by the engine that is wanted, or by Node when that one cannot be had or does
 * not prove itself. To be called before the first connection; `stopSockets` ends it.
 * @param choice what is known beforehand; given by tests
 * @returns the engine in use, and why it is not `system` where that was wanted
 */
export async function startSockets(
  wanted: WantedEngine,
  choice: EngineChoice = chooseEngine(wanted, engineFacts()),
): Promise<EngineChoice> {
  const handles = choice.handles && useNodeHandles(true);
  if (choice.engine === 'node') return { ...choice, handles };
  const why = handles ? await startSystem() : "this Node's own handles are not as expected";
  return why === null ? { ...choice, handles } : { engine: 'node', why, handles };
}

/** @returns why it cannot be; null: connections from here on are read by system calls */
async function startSystem(): Promise<string | null> {
  const calls = loadSystemCalls();
  if (calls === null) return 'system calls cannot be made in this process';
  const readiness = openReadiness(calls);
  if (readiness === null) return 'no epoll can be had for connections';
  useForTransfers(calls);
  const why = await proveReadiness(calls, readiness);
  if (why !== null) {
    readiness.close();
    return why;
  }
  threadSockets.systemCalls = calls;
  threadSockets.readiness = readiness;
  return null;
}
