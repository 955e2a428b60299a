import type { ActiveHealthConfig } from '../config/schema.ts';
import { httpProbe } from './http-probe.ts';
import type { ProbeFactory } from './probe.ts';
import { tcpProbe } from './tcp-probe.ts';

/** The probes by the name that `health.active.type` gives them. */
export const PROBES: { readonly [Type in ActiveHealthConfig['type']]: ProbeFactory } = {
  http: httpProbe,
  tcp: tcpProbe,
};
