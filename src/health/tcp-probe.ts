import { connect } from 'node:net';
import { backendAddress } from '../backends/backend-address.ts';
import { Deadline } from '../timing/deadline.ts';
import { noConnection } from './no-connection.ts';
import type { ProbeFactory, ProbeResult } from './probe.ts';

/** A probe that only opens a connection: the backend is well when its system accepts it within the timeout. */
export const tcpProbe: ProbeFactory = ({ port, timeout }) => ({
  check: (backend, signal, witness = null) =>
    new Promise<ProbeResult>((resolve) => {
      const socket = connect(backendAddress(backend, port));
      const settle = (result: ProbeResult): void => {
        deadline.cancel();
        signal.removeEventListener('abort', aborted);
        socket.destroy();
        resolve(result);
      };
      const aborted = (): void => settle({ ok: false, reason: 'aborted', code: null });
      const deadline = new Deadline(timeout, () =>
        settle({ ok: false, reason: `no connection within ${timeout} ms`, code: 'BACKEND_CONNECT' }),
      );
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted);
      socket.once('connect', () => settle({ ok: true }));
      // Stays on: an error after the verdict must find a listener.
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (witness !== null) witness.error = error;
        settle({ ok: false, ...noConnection(error) });
      });
    }),
});
