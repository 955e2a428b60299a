/** Why it is not possible to listen at `bind`, and what to do. */
export function listenProblem(bind: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `listeners: ${bind} is in use: stop the program that listens there, or change bind`;
    case 'EACCES':
      return `listeners: ${bind} may not be used without privileges: take a port from 1024 on, or allow it with setcap cap_net_bind_service`;
    case 'EADDRNOTAVAIL':
      return `listeners: ${bind} is not an address of this machine`;
    case 'ENOTFOUND':
      return `listeners: ${bind} names a host that cannot be resolved`;
    default:
      return `listeners: cannot listen on ${bind}: ${error.message}`;
  }
}
