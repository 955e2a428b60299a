import type { Session } from 'node:inspector';
import type { Worker } from 'node:worker_threads';

/** How long the thread is sampled, and how long each of its answers may take, ms: clients wait meanwhile. */
const SAMPLE_MS = 200;
const ANSWER_MS = 1_000;

/** Of the inspector protocol: what a CPU profile says of one function on the stack. */
interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
  readonly hitCount?: number;
  readonly children?: readonly number[];
}

interface Answer {
  readonly id?: number;
  readonly result?: { readonly profile?: { readonly nodes: readonly ProfileNode[] } };
}

/**
 * Finds out where a worker spends its time: the stack in which most samples of its CPU profile lie, innermost call
 * first. V8 takes the samples while JavaScript runs, so the worker need not come back to its event loop.
 * @returns null: not to be had, as when it spins in native code
 */
export async function workerStack(worker: Worker): Promise<string | null> {
  let session: Session | null = null;
  try {
    const { Session } = await import('node:inspector');
    session = new Session();
    session.connect();
    const ask = await attach(session, worker);
    await ask('Profiler.enable');
    await ask('Profiler.start');
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const { result } = await ask('Profiler.stop');
    return busiestStack(result?.profile?.nodes ?? []);
  } catch {
    return null;
  } finally {
    session?.disconnect();
  }
}

/** @returns asks the worker by the inspector protocol. @throws when it does not answer */
async function attach(session: Session, worker: Worker): Promise<(method: string) => Promise<Answer>> {
  const attached = Promise.withResolvers<string>();
  const waiting = new Map<number, (answer: Answer) => void>();
  session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
    // Its `workerId` is a number that the session gives out, and not that of the thread.
    if (workerInfo.title.startsWith(`[worker ${worker.threadId}]`)) attached.resolve(sessionId);
  });
  session.on('NodeWorker.receivedMessageFromWorker', ({ params: { message } }) => {
    const answer = JSON.parse(message) as Answer;
    waiting.get(answer.id ?? 0)?.(answer);
  });
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  const sessionId = await soon(attached.promise);
  let last = 0;
  return (method) => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method }) });
    return soon(promise);
  };
}

function soon<T>(promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(reject, ANSWER_MS, new Error('the worker does not answer'));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The stack with most samples, as `Error.stack` has it; null: there is none in JavaScript. */
function busiestStack(nodes: readonly ProfileNode[]): string | null {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const childrenOf = ({ children = [] }: ProfileNode): ProfileNode[] => children.map((id) => byId.get(id)!);
  const hits = (node: ProfileNode): number =>
    childrenOf(node).reduce((sum, child) => sum + hits(child), node.hitCount ?? 0);
  const lines: string[] = [];
  for (let node = nodes[0]; node !== undefined; ) {
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    if (lineNumber >= 0) {
      lines.unshift(`    at ${functionName || '<anonymous>'} (${url}:${lineNumber + 1}:${columnNumber + 1})`);
    }
    // Others are no functions: (idle), (program).
    const children = childrenOf(node).filter(({ callFrame }) => callFrame.lineNumber >= 0);
    const next = children.sort((one, other) => hits(other) - hits(one))[0];
    // Where most samples lie in the function itself, it is the innermost one.
    node = next !== undefined && hits(next) > (node.hitCount ?? 0) ? next : undefined;
  }
  return lines.length === 0 ? null : lines.join('\n');
}
