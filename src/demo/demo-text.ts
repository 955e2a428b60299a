import { styleText } from 'node:util';
import type { FleetEvent, FleetServer } from './demo-fleet.ts';

const bold = (text: string) => styleText('bold', text);
const dim = (text: string) => styleText('dim', text);
const link = (text: string) => styleText(['cyan', 'underline'], text);
const command = (text: string) => styleText('yellow', text);

/** What the demo says on the terminal. Colour only where the terminal has it. */
export const demoText = {
  /** What to open and what to try. */
  welcome(url: string, adminUrl: string | null, servers: readonly FleetServer[]): string {
    const kills = servers.map(({ id, port, pid, replica }) => {
      const copies = replica === null ? 'no replica ' : `copies to ${replica}`;
      return `    ${bold(id)}  127.0.0.1:${port}  ${dim(copies)}   ${command(kill(pid))}`;
    });
    const only = servers.length === 1;
    const curl = 'curl -s -b jar -c jar';
    return [
      '',
      `  ${bold('limpet demo')}  ${dim(`${servers.length} shop ${only ? 'server' : 'servers'}, limpet in front`)}`,
      '',
      `  Shop       ${link(`${url}/`)}  ${dim('open it in a browser')}`,
      ...(adminUrl === null
        ? []
        : [`  Dashboard  ${link(`${adminUrl}/`)}  ${dim('who is up, which sessions are where, what happens')}`]),
      '',
      '  Put something into the cart, then kill the server that answers you. The page names it.',
      only
        ? '  There is no other server: the cart is gone with it, and the shop answers again when it is back.'
        : '  You go on at its replica, with your cart, and nothing breaks. So does who asked nothing meanwhile.',
      '',
      ...kills,
      '',
      `  The same with curl ${dim('("kill" in the answer is the command for the server that answered)')}`,
      '',
      `    ${command(`${curl} --json '{"item":"mug","quantity":2}' ${url}/api/cart`)}`,
      `    ${command(`${curl} ${url}/api/state`)}`,
      dim(
        `    end that server, ask again: ${only ? 'nobody answers until it is back' : 'another one answers, with the same cart'}`,
      ),
      '',
      `  ${bold('Ctrl-C')} stops everything.`,
      '',
    ].join('\n');
  },

  /** A line about a server that died or came back. */
  event(event: FleetEvent, now: Date): string {
    const { server } = event;
    const time = dim(now.toTimeString().slice(0, 8));
    if (event.type === 'back') {
      const kept =
        server.replica === null
          ? 'its sessions begin anew'
          : `its sessions go on at ${bold(server.replica)}, those that were idle too`;
      const back = `${bold(server.id)} is back with an empty memory; ${kept}.`;
      return `  ${time}  ${styleText('green', '●')} ${back}  ${command(kill(server.pid))}`;
    }
    const again = `started again in ${Math.round(event.restartMs / 1000)} s`;
    if (event.type === 'cannot-start') return `  ${time}  ${styleText('red', '●')} ${event.message} It is ${again}.`;
    const goOn = server.replica === null ? 'Its sessions are lost' : `Its sessions go on at ${bold(server.replica)}`;
    return `  ${time}  ${styleText('red', '●')} ${bold(server.id)} is gone (${event.how}). ${goOn}; it is ${again}.`;
  },

  /** Another port than the one that was asked for. */
  otherPort(what: string, wanted: number, got: number): string {
    return `  Port ${wanted} cannot be used for ${what} (taken, or not allowed): using ${got}.`;
  },
};

function kill(pid: number): string {
  return process.platform === 'win32' ? `taskkill /F /PID ${pid}` : `kill -9 ${pid}`;
}
