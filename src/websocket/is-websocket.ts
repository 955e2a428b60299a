/**
 * Whether a tunnel carries a WebSocket: that was asked for, and the backend's answer names nothing else (RFC 6455 4.1).
 */
export function isWebSocket(asked: string, answered: string): boolean {
  return answered.toLowerCase() === 'websocket' && asked.toLowerCase().includes('websocket');
}
