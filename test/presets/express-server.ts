// An Express application that counts visits in express-session's memory store, in a process of its own: node
// express-server.ts ID PORT
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import session from 'express-session';

const [id = 'x', port = '0'] = process.argv.slice(2);
const app = express();
app.set('trust proxy', 1);
app.use(
  // The same secret everywhere: what keeps a session from the other servers is their memory alone.
  session({ secret: 'of a test', resave: false, saveUninitialized: false, cookie: { maxAge: 86_400_000 } }),
);
app.use(express.json());
app.get('/healthz', (_request, response) => response.json('ok'));
app.post('/login', (request, response, next) => {
  const { user } = request.body as { user: string };
  // A new id at each login, as is good practice against session fixation.
  request.session.regenerate((error) => {
    if (error !== undefined && error !== null) return next(error);
    request.session.user = user;
    request.session.count = 0;
    response.json({ id, user, count: 0, ip: request.ip, protocol: request.protocol });
  });
});
app.post('/count', (request, response) => {
  const { session } = request;
  if (session.user === undefined) return response.status(401).json({ id, error: 'log in first' });
  session.count = (session.count ?? 0) + 1;
  response.json({ id, user: session.user, count: session.count });
});
app.post('/logout', (request, response, next) => {
  const { user, count } = request.session;
  if (user === undefined) return response.status(401).json({ id, error: 'log in first' });
  request.session.destroy((error) => {
    if (error !== undefined && error !== null) return next(error);
    response.json({ id, user, count });
  });
});

const server = createServer(app);
server.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
