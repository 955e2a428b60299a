/** Why a tunnel is over. */
export const TunnelEnd = {
  /** The client has closed its connection in good order. */
  client: 'client',
  /** The backend has. */
  backend: 'backend',
  /** The client's connection broke off. */
  clientReset: 'client-reset',
  /** The backend's did. */
  backendReset: 'backend-reset',
  /** No byte came from either side for the time that is set. */
  idle: 'idle',
  /** Its owner has cut it. */
  cut: 'cut',
} as const;
export type TunnelEnd = (typeof TunnelEnd)[keyof typeof TunnelEnd];
