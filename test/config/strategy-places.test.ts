import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { affinitySchema } from '../../src/config/affinity-schema.ts';
import { strategyFiles, withFiles, withoutSecrets } from '../../src/config/strategy-places.ts';

/** Every text of a key source that is given, by its name in the schema, with `text` as its value. */
function filled(schema: z.core.JSONSchema.BaseSchema, name: string): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.properties !== undefined)
    return Object.fromEntries(
      Object.entries(schema.properties).map(([key, part]) => [key, filled(part as z.core.JSONSchema.BaseSchema, key)]),
    );
  const [first] = schema.anyOf ?? [];
  return first === undefined ? name : filled(first as z.core.JSONSchema.BaseSchema, name);
}

test('each file and each secret that the schema has for a key source is known as one', () => {
  const schema = z.toJSONSchema(affinitySchema, { io: 'output', unrepresentable: 'any' });
  const branches = (schema.oneOf ?? schema.anyOf) as z.core.JSONSchema.BaseSchema[];
  assert.ok(branches.length > 3);
  for (const branch of branches) {
    const config = filled(branch, '') as Parameters<typeof strategyFiles>[0];
    const shown = JSON.stringify(config);
    const files = [...shown.matchAll(/"(\w*File)":"\1"/g)].map(([, name]) => name);
    assert.deepEqual(
      strategyFiles(config).map(({ place }) => place.at(-1)),
      files,
      config.by,
    );
    const moved = JSON.stringify(withFiles(config, (file) => `/${file}`));
    for (const name of files) assert.ok(moved.includes(`"${name}":"/${name}"`));
    assert.equal(/"secret":"secret"/.test(JSON.stringify(withoutSecrets(config, '(hidden)'))), false, config.by);
    assert.equal(JSON.stringify(config), shown, 'what is given stays as it is');
  }
});

test('what is not given is no file, and no secret to hide', () => {
  const config = { by: 'token', from: 'header:authorization', claim: null, verify: null } as never;
  assert.deepEqual(strategyFiles(config), []);
  assert.equal(withoutSecrets(config, '(hidden)'), config);
});
