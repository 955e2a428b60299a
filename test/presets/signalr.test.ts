import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { startPreset } from '../support/preset.ts';
import { SignalRHub } from './signalr-hub.ts';

const CLIENTS = 45;
const RECORD_END = '\x1e';
const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;

/** A client of SignalR, as far as negotiation and its three transports go. */
class HubClient {
  readonly jar = new CookieJar();
  readonly #url: string;
  readonly #agent: Agent;
  #hub = '';
  /** Sends one message. */
  #send: (text: string) => Promise<void> | void = () => {};
  #received = '';
  #wake: (() => void) | null = null;
  /** Why the transport ended; null: it has not. */
  #failed: Error | null = null;
  #close: () => void = () => {};

  constructor(url: string, agent: Agent) {
    this.#url = url;
    this.#agent = agent;
  }

  async connect(transport: (typeof TRANSPORTS)[number]): Promise<void> {
    const base = `${this.#url}/hubs/chat`;
    const agent = this.#agent;
    const answer = this.jar.take(await ask(`${base}/negotiate?negotiateVersion=1`, { method: 'POST', agent }));
    assert.equal(answer.status, 200);
    const { connectionToken } = JSON.parse(answer.body) as { connectionToken: string };
    this.#hub = `${base}?id=${connectionToken}`;
    if (transport === 'WebSockets') await this.#openWebSocket();
    else {
      if (transport === 'ServerSentEvents') await this.#openEvents();
      else void this.#poll().catch((error: Error) => this.#fail(error));
      this.#send = async (body) => {
        const sent = await ask(this.#hub, { method: 'POST', headers: this.jar.headers, body, agent });
        assert.equal(sent.status, 200, sent.body);
      };
    }
    assert.deepEqual(await this.#exchange({ protocol: 'json', version: 1 }), {});
  }

  /** Calls the method Echo of the hub. */
  async echo(invocationId: string, text: string): Promise<void> {
    const call = { type: 1, invocationId, target: 'Echo', arguments: [text] };
    assert.deepEqual(await this.#exchange(call), { type: 3, invocationId, result: text });
  }

  close(): void {
    this.#close();
  }

  async #exchange(message: object): Promise<unknown> {
    await this.#send(JSON.stringify(message) + RECORD_END);
    for (;;) {
      if (this.#failed !== null) throw this.#failed;
      const end = this.#received.indexOf(RECORD_END);
      if (end >= 0) {
        const record = this.#received.slice(0, end);
        this.#received = this.#received.slice(end + 1);
        return JSON.parse(record);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  #receive(text: string): void {
    this.#received += text;
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#wake?.();
  }

  async #openWebSocket(): Promise<void> {
    const socket = new WebSocket(this.#hub.replace('http', 'ws'), { headers: this.jar.headers });
    this.#close = () => socket.terminate();
    await once(socket, 'open');
    socket.on('message', (data) => this.#receive(String(data)));
    socket.on('close', (code) => this.#fail(new Error(`WebSocket closed: ${code}`)));
    this.#send = (text) => socket.send(text);
  }

  async #openEvents(): Promise<void> {
    const outgoing = request(this.#hub, {
      headers: { ...this.jar.headers, accept: 'text/event-stream' },
      agent: false,
    }).end();
    this.#close = () => outgoing.destroy();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      const events = (rest + text).split('\r\n\r\n');
      rest = events.pop()!;
      for (const event of events) if (event.startsWith('data: ')) this.#receive(event.slice(6));
    });
    response.on('error', (error) => this.#fail(error));
  }

  async #poll(): Promise<void> {
    let open = true;
    this.#close = () => {
      open = false;
    };
    while (open) {
      const { status, body } = await ask(this.#hub, { headers: this.jar.headers, agent: this.#agent });
      assert.equal(status, 200, body);
      this.#receive(body);
    }
  }
}

test(`SignalR: ${CLIENTS} clients negotiate and talk over WebSockets, events and long polling, each to the server that knows it`, async (t) => {
  const hubs = await Promise.all(['hub1', 'hub2', 'hub3'].map((id) => new SignalRHub(id).start()));
  t.after(() => Promise.all(hubs.map((hub) => hub.stop())));
  const limpet = await startPreset('signalr', hubs);
  t.after(limpet.stop);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());

  const clients = Array.from({ length: CLIENTS }, () => new HubClient(limpet.url, agent));
  t.after(() => {
    for (const client of clients) client.close();
  });
  await Promise.all(
    clients.map(async (client, i) => {
      await client.connect(TRANSPORTS[i % TRANSPORTS.length]!);
      for (let n = 0; n < 5; n++) await client.echo(`${n}`, `client ${i} says ${n}`);
    }),
  );
  for (const { id, negotiated, unknown } of hubs) {
    assert.equal(unknown, 0, `${id} was asked for a connection of another server`);
    assert.ok(negotiated > 0, `${id} has ${negotiated} of ${CLIENTS}`);
  }
  assert.equal(await new Admin(limpet.admin).metric('limpet_errors_total'), 0);
  assert.equal(limpet.stderr(), '');
});
