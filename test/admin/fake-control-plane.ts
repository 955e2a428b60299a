import type { BackendView, ControlPlane, Phase, SessionView } from '../../src/admin/control-plane.ts';
import { EventStream } from '../../src/admin/events/event-stream.ts';
import type { ConfigError } from '../../src/config/config-error.ts';
import type { Explanation } from '../../src/proxy/explain/explanation.ts';

export const BACKEND: BackendView = {
  id: 'a',
  url: 'http://127.0.0.1:9001',
  departing: false,
  discovered: false,
  state: 'ready',
  health: 'up',
  weight: 1,
  activeRequests: 2,
  sessions: 3,
  requests: 4,
  failures: 0,
  latency: 1.5,
  lastChange: '2026-01-31T12:00:00.000Z',
  lastError: null,
  lastErrorAt: null,
  life: 1,
  lifeBegan: null,
};

export const SESSION: SessionView = {
  key: 'AAAAAAAAAAAAAAAAAAAAAQ',
  pool: 'shop',
  backend: 'a',
  created: '2026-01-31T12:00:00.000Z',
  lastSeen: '2026-01-31T12:00:00.000Z',
  idleExpiresAt: '2026-01-31T12:30:00.000Z',
  endsAt: '2026-02-01T00:00:00.000Z',
  requests: 1,
  by: 'cookie',
  user: null,
  moves: 0,
};

export const EXPLANATION: Explanation = {
  route: 0,
  pool: 'shop',
  session: SESSION.key,
  outcome: 'bound',
  backend: 'a',
  certain: true,
  candidates: [],
  error: null,
  status: null,
  steps: [{ step: 'route', outcome: 'route 0', detail: 'It matches.' }],
};

/** A control plane that notes its calls and answers always the same. */
export class FakeControlPlane implements ControlPlane {
  readonly events = new EventStream();
  phase: Phase = 'ready';
  readonly calls: unknown[][] = [];
  /** When set, `status` throws it. */
  defect: Error | null = null;
  /** What a reload is refused for. */
  mistakes: ConfigError[] = [];

  /** Why it is not ready although it runs. */
  reasons: string[] = [];

  ready(): Phase {
    return this.phase;
  }

  unready(): readonly string[] {
    return this.reasons;
  }

  status(): ReturnType<ControlPlane['status']> {
    if (this.defect !== null) throw this.defect;
    return {
      version: '1.2.3',
      state: this.phase,
      startedAt: '2026-01-31T12:00:00.000Z',
      uptime: 5,
      workers: 2,
      workerRestarts: 0,
      listeners: [],
      sessions: 3,
      requests: 4,
      activeRequests: 2,
      configGeneration: 1,
      reloadable: true,
      lastReload: null,
      store: { type: 'memory', up: true, since: '2026-01-31T12:00:00.000Z', pending: 0 },
    };
  }

  pools(): ReturnType<ControlPlane['pools']> {
    return [{ name: 'shop', balance: 'random', sessions: 3, backends: [BACKEND] }];
  }

  pool(name: string): ReturnType<ControlPlane['pool']> {
    this.calls.push(['pool', name]);
    if (name !== 'shop') return { ok: false, status: 404, detail: `no pool ${name}` };
    return { ok: true, value: this.pools()[0]! };
  }

  patchBackend(...call: Parameters<ControlPlane['patchBackend']>): ReturnType<ControlPlane['patchBackend']> {
    this.calls.push(['patchBackend', ...call]);
    return { ok: true, value: BACKEND };
  }

  backendRestarted(...call: Parameters<ControlPlane['backendRestarted']>): ReturnType<ControlPlane['patchBackend']> {
    this.calls.push(['backendRestarted', ...call]);
    return { ok: true, value: BACKEND };
  }

  async sessions(...call: Parameters<ControlPlane['sessions']>): ReturnType<ControlPlane['sessions']> {
    this.calls.push(['sessions', ...call]);
    return { ok: true, value: { sessions: [SESSION], cursor: 'next' } };
  }

  async session(key: string): ReturnType<ControlPlane['session']> {
    this.calls.push(['session', key]);
    return { ok: true, value: SESSION };
  }

  ends(...call: Parameters<ControlPlane['ends']>): ReturnType<ControlPlane['ends']> {
    this.calls.push(['ends', ...call]);
    return { kept: 0, ends: [] };
  }

  async endSession(key: string): ReturnType<ControlPlane['endSession']> {
    this.calls.push(['endSession', key]);
    return { ok: true, value: null };
  }

  async moveSession(...call: Parameters<ControlPlane['moveSession']>): ReturnType<ControlPlane['moveSession']> {
    this.calls.push(['moveSession', ...call]);
    return { ok: false, status: 409, detail: 'the backend is down' };
  }

  async reload(): ReturnType<ControlPlane['reload']> {
    this.calls.push(['reload']);
    if (this.mistakes.length > 0) return { ok: false, status: 422, detail: 'not usable', errors: this.mistakes };
    return {
      ok: true,
      value: { generation: 2, changes: [{ path: 'pools.shop.backends.a', change: 'changed' }], warnings: [] },
    };
  }

  async simulate(...call: Parameters<ControlPlane['simulate']>): ReturnType<ControlPlane['simulate']> {
    this.calls.push(['simulate', ...call]);
    return { ok: true, value: { total: 0, moves: [], sessions: [] } };
  }

  async explain(...call: Parameters<ControlPlane['explain']>): ReturnType<ControlPlane['explain']> {
    this.calls.push(['explain', ...call]);
    if (call[0].url === '') return { ok: false, status: 400, detail: 'url: is empty' };
    return { ok: true, value: EXPLANATION };
  }

  async evacuate(...call: Parameters<ControlPlane['evacuate']>): ReturnType<ControlPlane['evacuate']> {
    this.calls.push(['evacuate', ...call]);
    return { ok: true, value: { moved: 3, stayed: 0 } };
  }

  async metrics(): ReturnType<ControlPlane['metrics']> {
    return { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: '# HELP x y\n' };
  }
}
