import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { startPreset } from '../support/preset.ts';
import { type ChatRequest, ModelServer } from './model-server.ts';

const NAMED = 90;
const BY_KEY = 30;
const TURNS = 4;

test(`language models: ${NAMED} conversations named by a header and ${BY_KEY} by their API key stay where their prefix is cached, word by word (63)`, async (t) => {
  /** By conversation: lets its server go on. */
  const got = new Map<string, () => void>();
  const seen = (conversation: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    got.set(conversation, resolve);
    return promise;
  };
  const models = ['gpu1', 'gpu2', 'gpu3'].map((id) => new ModelServer(id, seen));
  const servers = await Promise.all(models.map(({ backend }) => backend.start()));
  t.after(() => Promise.all(servers.map((server) => server.stop())));
  const limpet = await startPreset('llm', servers);
  t.after(limpet.stop);
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());

  /** Sends the messages of a conversation and reads the words of the reply as they come. */
  const chat = async (name: string, headers: Record<string, string>, messages: ChatRequest['messages']) => {
    const outgoing = request(`${limpet.url}/v1/chat/completions`, { method: 'POST', headers, agent });
    outgoing.end(JSON.stringify({ stream: true, messages } satisfies ChatRequest));
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    let reply = '';
    let done = false;
    let rest = '';
    for await (const text of response.setEncoding('utf8')) {
      if (response.statusCode !== 200) assert.fail(`${name}: ${response.statusCode} ${text}`);
      const events = (rest + text).split('\n\n');
      rest = events.pop()!;
      for (const event of events) {
        if (event === 'data: [DONE]') done = true;
        else {
          const { choices } = JSON.parse(event.slice(6)) as { choices: [{ delta: { content: string } }] };
          reply += choices[0].delta.content;
          got.get(name)?.();
        }
      }
    }
    assert.ok(done, `${name}: the end is missing`);
    return reply;
  };
  const converse = async (name: string, headers: Record<string, string>): Promise<void> => {
    const messages: { role: string; content: string }[] = [];
    let home = '';
    for (let turn = 0; turn < TURNS; turn++) {
      const content = `word by word ${turn}`;
      messages.push({ role: 'user', content });
      const reply = await chat(name, headers, messages);
      home ||= reply.slice(-4);
      assert.equal(reply, `${content} on ${home}`);
      messages.push({ role: 'assistant', content: reply });
    }
  };
  await Promise.all([
    // Many people may use one API key: the conversation counts first.
    ...Array.from({ length: NAMED }, (_, i) =>
      converse(`c${i}`, { 'x-session-id': `c${i}`, authorization: 'Bearer shared' }),
    ),
    ...Array.from({ length: BY_KEY }, (_, i) => converse(`Bearer sk-${i}`, { authorization: `Bearer sk-${i}` })),
  ]);
  for (const { backend, conversations } of models)
    assert.ok(conversations > (NAMED + BY_KEY) / 10, `${backend.id} has ${conversations}`);
  const admin = new Admin(limpet.admin);
  assert.equal((await admin.sessions('llm')).length, NAMED + BY_KEY);
  assert.equal(await admin.metric('limpet_errors_total'), 0);
  assert.ok(!JSON.stringify(limpet.log).includes('sk-1'), 'no API key is logged');
  assert.equal(limpet.stderr(), '');
});
