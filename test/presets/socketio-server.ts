// A Socket.IO server in a process of its own, without an adapter that would tell others anything: node
// socketio-server.ts ID PORT
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';

const [id = 'x', port = '0'] = process.argv.slice(2);
/** For a browser; Socket.IO serves its client itself. */
const PAGE = '<!doctype html><title>chat</title><script src="/socket.io/socket.io.js"></script>';
const http = createServer((_request, response) => response.setHeader('Content-Type', 'text/html').end(PAGE));
const io = new Server(http);
/** How often a request named a connection that this server does not know. */
let unknown = 0;

io.engine.on('connection_error', ({ code }: { code: number }) => {
  if (code === 1) unknown++;
});
io.on('connection', (socket) => {
  socket.on('echo', (text: string, answer: (reply: { id: string; text: string; unknown: number }) => void) => {
    answer({ id, text, unknown });
  });
});
http.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (http.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
