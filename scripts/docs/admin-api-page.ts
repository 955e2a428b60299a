import { headingAnchor } from './heading-anchor.ts';
import type { JsonSchema } from './json-schema.ts';
import { cell, GENERATED } from './markdown.ts';
import { type Operation, openApi } from './openapi.ts';

const INTRODUCTION = `# Admin API

${GENERATED("the schemas of the API's routes in src/admin")}

The API listens on \`admin.bind\` (\`127.0.0.1:9900\` unless configured otherwise); the dashboard at \`/\`, \`limpet top\` and the commands use nothing else.
Its description for programs is [openapi.json](openapi.json) (OpenAPI 3.1).

\`\`\`
curl http://127.0.0.1:9900/api/v1/status
curl -X PATCH -H "Content-Type: application/json" -d '{"state":"drain"}' http://127.0.0.1:9900/api/v1/pools/shop/backends/a
\`\`\`

- With \`admin.tokenFile\` every request but the probes needs \`Authorization: Bearer TOKEN\`; without it 401. Without a token the API answers to an address or localhost as host only (421), and pages of other origins cannot change anything (403).
- Bodies are JSON, with \`Content-Type: application/json\`. A key or a parameter that is not known is an error, never ignored.
- Errors are JSON as RFC 9457 has it (\`application/problem+json\`), see [Problem](#problem).
- Times are ISO 8601 in UTC. Looking never touches a session.
- HEAD is answered wherever GET is, OPTIONS everywhere.
`;

const EVENTS = `The answer is a stream of server-sent events that does not end. The name of an event is what happened: \`health\`, \`backend-restarted\`, \`failover\`, \`session-ended\`, \`session-moved\`, \`binding-mismatch\`, \`backend-changed\`, \`backend-evacuated\`, \`reload\`, \`worker-restart\`, \`store\`, \`state\`;
its data is JSON with \`time\` and what belongs to it. \`Last-Event-ID\` goes on where a listener has left off, with a \`missed\` event when more has happened than the 512 events that are kept.`;

/** Makes docs/reference/admin-api.md: every route with its parameters, its body and its answer. */
export function adminApiPage(): string {
  const { paths, components } = openApi();
  const lines = [INTRODUCTION, '## Routes', ''];
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods))
      route(lines, `${method.toUpperCase()} ${path}`, operation);
  lines.push('## Documents', '');
  for (const [name, schema] of Object.entries(components.schemas)) {
    lines.push(`### ${name}`, '');
    table(lines, schema);
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function route(lines: string[], title: string, operation: Operation): void {
  lines.push(`### ${title}`, '', operation.summary, '');
  if (title.endsWith('/events')) lines.push(EVENTS, '');
  const inQuery = operation.parameters?.filter((parameter) => parameter.in === 'query') ?? [];
  if (inQuery.length > 0) {
    lines.push('| parameter | type | meaning |', '| --- | --- | --- |');
    for (const { name, schema, description } of inQuery)
      lines.push(`| \`${name}\` | ${cell(typeOf(schema))} | ${cell(description)} |`);
    lines.push('');
  }
  const body = operation.requestBody?.content['application/json']?.schema;
  if (body !== undefined && Object.keys(body.properties ?? {}).length > 0) {
    lines.push('Body:', '');
    table(lines, body);
  }
  const answers = Object.entries(operation.responses).map(([status, { content }]) => {
    const [type, shape] = Object.entries(content ?? {})[0] ?? [];
    if (type === 'application/problem+json') return status;
    if (type === undefined) return `${status} without a body`;
    return `${status} with ${type === 'application/json' ? typeOf(shape!.schema) : `\`${type}\``}`;
  });
  lines.push(`Answers: ${answers[0]}; a [Problem](#problem) with ${answers.slice(1).join(', ')}.`, '');
}

function table(lines: string[], schema: JsonSchema): void {
  lines.push('| key | type | meaning |', '| --- | --- | --- |');
  rows(lines, '', schema);
  lines.push('');
}

/** A row for each key, and for those of the maps within. */
function rows(lines: string[], prefix: string, schema: JsonSchema): void {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${key}`;
    const optional = schema.required?.includes(key) === true ? '' : ', may be absent';
    lines.push(`| \`${path}\` | ${cell(typeOf(value))}${optional} | ${cell(value.description ?? '')} |`);
    const inner = value.anyOf?.find(({ type }) => type === 'object') ?? value;
    if (inner.$ref !== undefined) continue;
    if (inner.items !== undefined && inner.items.$ref === undefined) rows(lines, `${path}[].`, inner.items);
    else rows(lines, `${path}.`, inner);
  }
}

function typeOf(schema: JsonSchema): string {
  const { $ref, anyOf, type } = schema;
  if ($ref !== undefined) {
    const name = $ref.split('/').at(-1)!;
    return `[${name}](#${headingAnchor(name)})`;
  }
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (type === 'array') return `list of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}`;
  if (type === 'null') return '`null`';
  if (schema.format === 'date-time') return 'time';
  if (type === 'integer' || type === 'number') {
    const range = schema.maximum !== undefined && schema.maximum < 2 ** 53 - 1;
    return range ? `number, ${schema.minimum} to ${schema.maximum}` : 'number';
  }
  if (type === 'boolean') return '`true`, `false`';
  return type === 'object' ? 'map' : 'text';
}
