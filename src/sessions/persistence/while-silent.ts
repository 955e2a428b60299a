import type { Socket } from 'node:net';
import { Deadline } from '../../timing/deadline.ts';

/**
 * Destroys a connection whose other end sends nothing for so long, ms.
 * @param problem what its 'error' says then
 * @returns to be called when the other end need not send any more
 */
export function whileSilent(socket: Socket, ms: number, problem: string): () => void {
  const deadline = new Deadline(ms, () => socket.destroy(new Error(problem)));
  const heard = (): void => deadline.restart(ms);
  const over = (): void => {
    deadline.cancel();
    socket.off('data', heard).off('close', over);
  };
  socket.on('data', heard).once('close', over);
  return over;
}
