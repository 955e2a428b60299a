/**
 * What every request passes, in this order (behaviour 118), and nowhere else is there another one: the handler goes through it, and so does whoever explains what a
 * request would get. What needs no session comes before it is looked for, what is cheap before what costs time; only a request that has passed all of it, up to the
 * backend that was chosen for it, counts as one of its session.
 */
export const REQUEST_STEPS = [
  /** Which pool it is for. */
  'route',
  /** `rateLimit: { per: ip }`. */
  'address-limit',
  /** `csrf`. */
  'csrf',
  /** Which session it is of: its keys, and whether that session is bound to this client. */
  'session',
  /** `rateLimit: { per: session }`. */
  'session-limit',
  /** `session.dialog: simplex`. */
  'simplex',
  /** `session.perUser`. */
  'user',
  /** `session.dialog: half-duplex`. */
  'turn',
  /** Where it goes. */
  'backend',
] as const;

/** One of REQUEST_STEPS. */
export type RequestStep = (typeof REQUEST_STEPS)[number];

/** Those between the route and the backend. */
export type PassedStep = Exclude<RequestStep, 'route' | 'backend'>;
