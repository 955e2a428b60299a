// Processes behind one port that is held by their parent, as systemd does it, or a master process: node
// shared-port-main.ts PORT Told { start: ID }, { kill: ID } and { leave: ID }, it answers with the same once it is
// done, and { port } at the beginning.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';

type Told = { readonly start?: string; readonly kill?: string; readonly leave?: string };

const port = Number(process.argv[2]);

if (cluster.isPrimary) {
  // The system gives out the connections, and what nobody takes waits in the backlog.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const workers = new Map<string, Worker>();
  process.on('message', async (told: Told) => {
    const { start, kill, leave } = told;
    if (start !== undefined) {
      const worker = cluster.fork({ BOOT: start });
      workers.set(start, worker);
      await once(worker, 'listening');
    } else {
      const worker = workers.get(kill ?? leave ?? '')!;
      const ended = once(worker, 'exit');
      if (kill !== undefined) worker.process.kill('SIGKILL');
      else worker.disconnect();
      await ended;
    }
    process.send?.(told);
  });
  process.on('disconnect', () => {
    for (const worker of workers.values()) worker.process.kill('SIGKILL');
    process.exit();
  });
  // One that holds the port and takes nothing: the parent closes it when no process has it.
  const holder = cluster.fork({ BOOT: 'holder' });
  await once(holder, 'listening');
  holder.process.kill('SIGSTOP');
  workers.set('holder', holder);
  process.send?.({ port });
} else {
  const boot = process.env.BOOT ?? '';
  let served = 0;
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('X-Backend', 'a');
    if (request.url?.startsWith('/boot') || request.url === '/healthz?boot')
      response.setHeader('Limpet-Backend', `boot=${boot}`);
    response.end(JSON.stringify({ boot, served: ++served, headers: request.headers }));
  });
  server.listen(port, '127.0.0.1');
}
