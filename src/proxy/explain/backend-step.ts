import type { Backend } from '../../backends/backend.ts';
import type { Pool } from '../../backends/pool.ts';
import type { SharedState } from '../../backends/shared-state.ts';
import { candidateWeight } from '../../balancing/candidate-weight.ts';
import { openCandidates } from '../../balancing/candidates.ts';
import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { MOVE_REASONS, MoveReason } from '../../sessions/table/move-reasons.ts';
import type { ExplainCandidate, ExplainStep } from './explanation.ts';

/** A choice, for people. */
interface ExplainedChoice {
  readonly step: ExplainStep;
  /** Backends between which a new session is decided; empty when it is not a new one. */
  readonly candidates: readonly ExplainCandidate[];
}

/** What the choice of a backend came to, and why. */
export function explainChoice(
  x: Exchange,
  pool: Pool,
  state: SharedState,
  backend: Backend | null,
  error: ErrorKind,
  certain: boolean,
): ExplainedChoice {
  const step = 'backend';
  const bound = (outcome: string, detail: string) => ({ step: { step, outcome, detail }, candidates: [] });
  if (backend === null)
    return bound('none', `${refusalWords(x, pool, state, error)} limpet answers ${error.status} ${error.code}.`);
  const { boundBackend: home } = x;
  if (x.bound && backend === home)
    return bound(
      backend.id,
      `The session is bound to ${backend.id}, which is ${stateWords(state, backend)}.${restartWords(x, pool, backend)}`,
    );
  if (!x.bound && backend === home && x.preflight)
    return bound(backend.id, `To ${backend.id}, where its session is; a preflight makes none.`);
  if (!x.bound && backend === home) {
    return bound(
      backend.id,
      `The id was rotated away a moment ago and its browser had not heard of the new one: without a session, to ${backend.id}, where that lives.`,
    );
  }
  if (x.bound && x.moveReason === MoveReason.failback) {
    return bound(
      backend.id,
      `The session had to leave ${backend.id}, which is ${stateWords(state, backend)} again, and goes back there from ${home?.id ?? 'a backend that is gone'} (failback: ${pool.config.failover.failback}).`,
    );
  }
  if (x.bound) {
    const why =
      home === null
        ? 'The backend that it was bound to is not in the pool any more'
        : x.moveReason === MoveReason['backend-restarted']
          ? `Its backend ${home.id} was restarted${began(home)}, after the session was last there, and has lost its state`
          : `Its backend ${home.id} is ${stateWords(state, home)}`;
    return bound(
      backend.id,
      `${why}, so it moves (${MOVE_REASONS[x.moveReason]}) to ${backend.id}, ${targetWords(pool, home, backend)}.`,
    );
  }
  const open: Backend[] = [];
  const count = openCandidates(pool, state, [], 0, open);
  const candidates = open.slice(0, count).map(({ id, slot }, nth) => ({
    id,
    weight: candidateWeight(state, open[nth]!),
    activeRequests: state.active(slot),
  }));
  const list = candidates.map(
    ({ id, weight, activeRequests }) => `${id} (weight ${weight}, ${activeRequests} under way)`,
  );
  const others = pool.backends.filter((one) => !open.slice(0, count).includes(one));
  const left =
    others.length === 0 ? '' : ` Not ${others.map((one) => `${one.id} (${whyNot(state, one)})`).join(', ')}.`;
  const chance = certain ? '' : '; another draw, or the turn of another worker, may choose another one';
  const detail = `${pool.config.balance} among ${list.join(', ')}: ${backend.id} now${chance}.${left}`;
  return { step: { step, outcome: backend.id, detail }, candidates };
}

/** Of a session that stays with a backend that was restarted since it was last there; '' for all others. */
function restartWords(x: Exchange, { config }: Pool, home: Backend): string {
  if (home.life.isNow(x.stamp)) return '';
  const what = ` It was restarted${began(home)}, after the session was last there`;
  if (config.failover.restarted === 'stay') return `${what}, and failover.restarted is stay.`;
  return `${what}, but no replica has its state either: it stays, and begins anew there.`;
}

function began({ life }: Backend): string {
  return life.began === 0 ? '' : ` (${new Date(life.began).toISOString()})`;
}

function targetWords({ config }: Pool, home: Backend | null, target: Backend): string {
  const { to } = config.failover;
  const replica = home?.replicas.some(
    ({ slot, generation }) => slot === target.slot && generation === target.generation,
  );
  if (replica && to.includes('replicas')) return `a replica of it (failover.to: ${to.join(', ')})`;
  const none = to.includes('replicas') && home !== null ? 'no replica of it is available; ' : '';
  return `where the hash of the session leads among those available (${none}failover.to: ${to.join(', ')})`;
}

function refusalWords(x: Exchange, pool: Pool, state: SharedState, error: ErrorKind): string {
  if (error === ERRORS.STORE_DOWN) return 'The shared store is down, and whenDown is reject:';
  const all = pool.backends.map((backend) => `${backend.id} is ${stateWords(state, backend)}`).join(', ');
  if (error === ERRORS.SESSION_LOST) {
    const home = x.boundBackend === null ? 'a backend that is not in the pool any more' : x.boundBackend.id;
    return `The session was on ${home}, nobody who is available has its state (${all}), and failover.onLost is reject, so the session ends:`;
  }
  return `No backend is available (${all}):`;
}

/** What an operator wants of a backend, and what probes and traffic say of it. */
function stateWords(state: SharedState, { slot, departing }: Backend): string {
  const wanted = state.adminState(slot);
  if (wanted === 'maintenance') return 'in maintenance';
  const admin = departing ? 'departing' : wanted === 'drain' ? 'draining' : 'ready';
  if (state.ejected(slot)) return `${admin} and ejected after failures`;
  const health = state.health(slot);
  return health === 'unknown' ? `${admin}, its health not known` : `${admin} and ${health}`;
}

function whyNot(state: SharedState, backend: Backend): string {
  const words = stateWords(state, backend);
  if (!state.isOpen(backend.slot)) return state.configuredWeight(backend.slot) === 0 ? `${words}, weight 0` : words;
  return backend.backup ? 'a backup, and others are available' : words;
}
