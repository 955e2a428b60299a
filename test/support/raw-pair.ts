import { after, before, beforeEach } from 'node:test';
import { type LimpetProcess, startLimpetProcess } from './limpet.ts';
import { type BackendConnection, RawBackend } from './raw-backend.ts';
import { isWhole, RawClient } from './raw-client.ts';

/** One limpet in front of one raw backend, for a suite; each test says how the backend answers. */
export class RawPair {
  limpet!: LimpetProcess;
  backend!: RawBackend;
  /** Called on each read of the backend. */
  answer: (connection: BackendConnection) => void = ok;
  #clients: RawClient[] = [];

  /** Sets the suite up. `pool` is more YAML of the pool, in flow style; `more` more YAML of the file. */
  static inSuite(pool = '', more = ''): RawPair {
    const pair = new RawPair();
    before(async () => {
      pair.backend = await RawBackend.start((connection) => pair.answer(connection));
      pair.limpet = await startLimpetProcess(
        `workers: 1\n${more}\npools: { p: { backends: [{ id: a, url: "${pair.backend.url}" }]${pool === '' ? '' : `, ${pool}`} } }\n`,
      );
    });
    beforeEach(() => {
      pair.answer = ok;
      // What earlier tests left: their connections may be used again, what they received is not looked at any more.
      for (const connection of pair.backend.connections) connection.text = '';
      for (const client of pair.#clients.splice(0)) client.close();
    });
    after(async () => {
      for (const client of pair.#clients) client.close();
      await pair.limpet?.stop();
      await pair.backend?.stop();
    });
    return pair;
  }

  async open(): Promise<RawClient> {
    const client = await RawClient.open(this.limpet.port);
    this.#clients.push(client);
    return client;
  }

  /** Sends a request on a connection of its own and settles with the whole response. */
  async exchange(request: string): Promise<string> {
    const client = await this.open();
    client.send(request);
    return client.until(isWhole);
  }
}

/** Answers each complete head without a body with 200 and two bytes. */
export function ok(connection: BackendConnection): void {
  if (connection.text.endsWith('\r\n\r\n')) connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
}

/** An answer function that writes `text` once for each read that completes a head. */
export function reply(text: string): (connection: BackendConnection) => void {
  return (connection) => {
    if (connection.text.includes('\r\n\r\n')) connection.socket.write(Buffer.from(text, 'latin1'));
  };
}
