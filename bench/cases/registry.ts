import { type Case, NO_DEMANDS, type RequestCase } from './case.ts';

type Differences = Partial<Omit<RequestCase, 'kind' | 'name' | 'title' | 'demands'>> & {
  readonly demands?: Partial<RequestCase['demands']>;
};

/** A case that differs from sticky GET requests with few headers and answers of 60 bytes. */
function requests(name: string, title: string, { demands, ...differences }: Differences = {}): RequestCase {
  return {
    kind: 'requests',
    name,
    title,
    bodyBytes: 60,
    uploadBytes: 0,
    headers: 'plain',
    marks: 'cookie',
    handshakes: false,
    load: 'wrk',
    ...differences,
    demands: { ...NO_DEMANDS, ...demands },
  };
}

/** All the cases, in the order in which they run. */
export const CASES: readonly Case[] = [
  requests('60b', 'GET, 60-byte answers'),
  requests('60b-autocannon', 'GET, 60-byte answers, load by autocannon', { load: 'autocannon' }),
  requests('browser', 'GET with 20 request headers as Chrome sends them, 60-byte answers', { headers: 'browser' }),
  requests('10k', 'GET with 20 request headers, 10 KiB answers', { headers: 'browser', bodyBytes: 10_240 }),
  requests('1m', 'GET, 1 MiB answers', { bodyBytes: 1_048_576 }),
  requests('post-1k', 'POST of 1 KiB', { uploadBytes: 1024 }),
  requests('post-1m', 'POST of 1 MiB', { uploadBytes: 1_048_576 }),
  requests('new-session', 'a new session with each request', { marks: 'none' }),
  requests('resident-1m', 'requests of 100,000 sessions while 1,000,000 are resident', {
    only: ['limpet', 'haproxy', 'http-proxy', 'undici'],
    demands: { resident: 1_000_000 },
  }),
  requests('resident-10m', 'requests of 100,000 sessions while 10,000,000 are resident', {
    only: ['limpet', 'haproxy'],
    demands: { resident: 10_000_000 },
  }),
  requests('token', 'sessions named by the claim of a JSON Web Token, HS256 verified', {
    marks: 'token',
    demands: { token: true },
  }),
  requests('workers-2', 'two threads (or processes) that carry traffic', { demands: { workers: 2 } }),
  requests('tls', 'TLS in front, connections kept', { demands: { tls: true } }),
  requests('handshakes', 'TLS in front, a connection and a handshake for each request', {
    handshakes: true,
    demands: { tls: true },
  }),
  requests('websocket', 'WebSocket echo, text messages of 64 bytes', { demands: { websocket: true } }),
  requests('access-log', 'access log on, to a file', { demands: { accessLog: true } }),
  requests('redis', 'sessions in Redis', { only: ['limpet'], demands: { redis: true } }),
  { kind: 'idle', name: 'idle', title: 'idle keep-alive connections: memory of each', demands: NO_DEMANDS },
  {
    kind: 'failover',
    name: 'failover',
    title: 'a backend is killed (SIGKILL) under load',
    demands: { ...NO_DEMANDS, failover: true },
  },
];

/** What `--quick` runs. */
export const QUICK_CASES = ['browser', '10k', 'failover'];
