import { ago } from '../ago.ts';
import { countdown } from '../countdown.ts';
import { lastError } from '../last-error.ts';
import { harmless, paint } from '../output.ts';
import { type Column, formatTable } from '../table.ts';
import type { TopView } from './top-rates.ts';

const right = (title: string): Column => ({ title, align: 'right' });
const left = (title: string): Column => ({ title, align: 'left' });

const POOLS = [left('POOL'), right('REQ/S'), right('SESSIONS'), right('ACTIVE'), left('UP'), left('BALANCE')];
const BACKENDS = [
  left('BACKEND'),
  left('STATE'),
  left('HEALTH'),
  right('REQ/S'),
  right('ACTIVE'),
  right('SESSIONS'),
  right('LATENCY'),
  right('FAILURES'),
  left('CHANGED'),
  left('LAST ERROR'),
];
const SESSIONS = [
  left('SESSION'),
  left('POOL'),
  left('BACKEND'),
  left('USER'),
  right('REQ/S'),
  right('REQUESTS'),
  right('MOVES'),
  left('LAST SEEN'),
];

/** The view as lines of text, coloured where standard output can show it. @param now wall clock, ms since epoch */
export function topLines(view: TopView, now: number): string[] {
  return [...headLines(view), '', ...poolLines(view), '', ...backendLines(view, now), '', ...sessionLines(view, now)];
}

/** As many of the lines as fit on the screen, pools and backends before sessions. */
export function topScreen(view: TopView, now: number, rows: number): string[] {
  const head = [...headLines(view), ''];
  const pools = [...poolLines(view), ''];
  const backends = [...backendLines(view, now), ''];
  const sessions = sessionLines(view, now);
  const room = Math.max(0, rows - head.length);
  // A handful of sessions at least, where there is room for anything but the head.
  const forPools = cut(pools, Math.max(4, Math.floor(room / 3)));
  const forBackends = cut(backends, Math.max(4, room - forPools.length - 6));
  const forSessions = cut(sessions, Math.max(0, room - forPools.length - forBackends.length));
  return [...head, ...forPools, ...forBackends, ...forSessions].slice(0, rows);
}

function cut(lines: string[], most: number): string[] {
  if (lines.length <= most) return lines;
  const kept = lines.slice(0, Math.max(0, most - 1));
  return most <= 0 ? [] : [...kept, paint('dim', `… ${lines.length - kept.length} more`)];
}

function headLines({ status, seconds }: TopView): string[] {
  const { version, state, uptime, workers, workerRestarts, sessions, activeRequests, requestsPerSecond } = status;
  const up = typeof uptime === 'number' ? countdown(uptime * 1000) : '-';
  const restarts = typeof workerRestarts === 'number' && workerRestarts > 0 ? ` (${workerRestarts} restarts)` : '';
  return [
    `${paint('bold', `limpet ${shown(version)}`)}  ${shown(state)}  up ${up}  ${shown(workers)} workers${restarts}`,
    `${perSecond(requestsPerSecond)} requests/s  ${shown(activeRequests)} active  ${shown(sessions)} sessions` +
      paint('dim', seconds === null ? '' : `  over ${seconds.toFixed(1)} s`),
  ];
}

function poolLines({ pools }: TopView): string[] {
  return table(
    POOLS,
    pools.map((pool) => {
      const up = pool.backends.filter(({ health, state }) => health !== 'down' && state !== 'maintenance').length;
      const active = pool.backends.reduce((sum, { activeRequests }) => sum + (Number(activeRequests) || 0), 0);
      const share = `${up}/${pool.backends.length}`;
      return [
        shown(pool.name),
        perSecond(pool.requestsPerSecond),
        shown(pool.sessions),
        String(active),
        up === 0 ? paint('red', share) : up < pool.backends.length ? paint('yellow', share) : share,
        shown(pool.balance),
      ];
    }),
  );
}

function backendLines({ pools }: TopView, now: number): string[] {
  const rows = pools.flatMap((pool) =>
    pool.backends.map((backend) => {
      const { state, health, latency, departing } = backend;
      const wanted = departing === true && state === 'drain' ? 'departing' : shown(state);
      return [
        harmless(`${pool.name}/${backend.id}`),
        wanted === 'ready' ? wanted : paint('yellow', wanted),
        health === 'up' ? paint('green', 'up') : health === 'down' ? paint('red', 'down') : shown(health),
        perSecond(backend.requestsPerSecond),
        shown(backend.activeRequests),
        shown(backend.sessions),
        typeof latency === 'number' ? `${latency.toFixed(1)}ms` : '-',
        shown(backend.failures),
        ago(backend.lastChange, now),
        lastError(backend, now),
      ];
    }),
  );
  return table(BACKENDS, rows);
}

function sessionLines({ sessions, more }: TopView, now: number): string[] {
  const rows = sessions.map((session) => {
    const { key, pool, backend, user, requests, moves, lastSeen } = session;
    return [
      shown(key),
      shown(pool),
      shown(backend),
      shown(user),
      perSecond(session.requestsPerSecond),
      shown(requests),
      shown(moves),
      ago(lastSeen, now),
    ];
  });
  const lines = table(SESSIONS, rows);
  return more ? [...lines, paint('dim', `of the first ${sessions.length} sessions`)] : lines;
}

function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  return formatTable(columns, rows, (title) => paint('bold', title));
}

function shown(value: unknown): string {
  return value === null || value === undefined ? '-' : harmless(String(value));
}

function perSecond(value: number | null): string {
  if (value === null) return '-';
  return value < 100 ? value.toFixed(1) : String(Math.round(value));
}
