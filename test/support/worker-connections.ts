import { eventually } from './eventually.ts';
import { isWhole, RawClient } from './raw-client.ts';

/**
 * Opens connections until each of two workers has `count` of them, and settles with these, by worker.
 * @param path of a pool whose backends answer like `echo`
 * @param opened gets every connection, also those that are left over: who calls closes them
 */
export async function workerConnections(
  port: number,
  path: string,
  count: number,
  opened: RawClient[],
): Promise<[RawClient[], RawClient[]]> {
  const byWorker = new Map<string, RawClient[]>();
  await eventually('connections to both workers', async () => {
    const client = await RawClient.open(port);
    opened.push(client);
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    // The request ids of one worker begin alike.
    const worker = /"x-request-id":"([\w-]+)-\w+"/.exec(await client.until(isWhole))![1]!;
    byWorker.set(worker, [...(byWorker.get(worker) ?? []), client]);
    return byWorker.size === 2 && [...byWorker.values()].every((list) => list.length >= count);
  });
  const [one, other] = [...byWorker.values()] as [RawClient[], RawClient[]];
  return [one.slice(0, count), other.slice(0, count)];
}
