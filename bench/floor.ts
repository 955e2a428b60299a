/**
 * The floor: what Node costs when it only carries the bytes. Each connection is piped to a connection of its own to one
 * backend; nothing is parsed, no session is known. Arguments: the port, then the ports of the backends.
 */
import { connect, createServer, type Socket } from 'node:net';

const [port, ...backendPorts] = process.argv.slice(2).map(Number);
let next = 0;

createServer({ noDelay: true }, (client) => {
  const backend = connect({ port: backendPorts[next++ % backendPorts.length]!, host: '127.0.0.1', noDelay: true });
  carry(client, backend);
  carry(backend, client);
}).listen(port, '127.0.0.1', 1024);

function carry(from: Socket, to: Socket): void {
  from.on('data', (chunk) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => to.end());
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}
