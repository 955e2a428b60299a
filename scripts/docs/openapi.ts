import * as z from 'zod';
import type { ControlPlane } from '../../src/admin/control-plane.ts';
import type { Route } from '../../src/admin/route.ts';
import { adminRoutes } from '../../src/admin/routes/admin-routes.ts';
import * as views from '../../src/admin/view-schemas.ts';
import { packageVersion } from '../../src/package-version.ts';
import type { JsonSchema } from './json-schema.ts';

/** What this and the page of the admin API need of an OpenAPI document. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

export interface Operation {
  readonly summary: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly description: string;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>;

/** What segments of `:name` in a path stand for. */
const SEGMENTS: Readonly<Record<string, string>> = {
  pool: 'Name of a pool.',
  backend: 'Id of a backend of that pool.',
  key: 'Public id of a session, as in the list of sessions and in logs.',
};

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The request is not as it should be.',
  401: 'The token is missing or wrong.',
  403: 'A page of another origin may not change anything.',
  404: 'There is no such thing.',
  409: 'It is not possible as things are.',
  413: 'The body is too long.',
  415: 'The body is not JSON.',
  421: 'Without a token the API answers to an address or localhost only.',
  422: 'The body, or the configuration, has mistakes: errors lists them.',
  503: 'Not now.',
};

/** Names of the schemas that answers share: `statusSchema` is `Status`. */
const NAMES = new Map(
  Object.entries(views).map(([name, schema]) => {
    const short = name.replace(/Schema$/, '');
    return [schema as z.ZodType, short.charAt(0).toUpperCase() + short.slice(1)] as const;
  }),
);

/** Makes the OpenAPI 3.1 description of the admin API from its routes. */
export function openApi(): OpenApi {
  const registry = z.registry<{ id: string }>();
  for (const [schema, id] of NAMES) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, io: 'output' });
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of routes()) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'limpet admin API',
      version: packageVersion(),
      description: 'Looks at a running limpet and changes it. Looking never touches a session.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:9900', description: 'admin.bind of the configuration' }],
    security: [{}, { token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The token of admin.tokenFile' } },
      schemas: Object.fromEntries(
        Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
      ),
    },
  };
  return document as unknown as OpenApi;
}

/** Makes docs/reference/openapi.json. */
export function openApiJson(): string {
  return `${JSON.stringify(openApi(), null, 2)}\n`;
}

/** Routes of the API: the dashboard's files are no part of it. */
function routes(): Route[] {
  return adminRoutes({} as ControlPlane).filter(({ path }) => path !== '/' && !path.startsWith('/dashboard/'));
}

function operation(route: Route): Operation {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name: name!,
    in: 'path',
    required: true,
    description: SEGMENTS[name!]!,
    schema: { type: 'string' },
  }));
  const query = Object.entries(route.query.shape).map(([name, schema]) => {
    const { description, ...rest } = toJson(schema as z.ZodType, 'input');
    return { name, in: 'query', required: false, description: description!, schema: rest };
  });
  const parameters = [...inPath, ...query];
  const body =
    route.body === null
      ? {}
      : {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: { 'application/json': { schema: toJson(route.body, 'input') } },
          },
        };
  return {
    ...(route.open ? { security: [] } : {}),
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...body,
    responses: { ...answer(route), ...problems(route) },
  };
}

function answer({ answer: shape }: Route): Operation['responses'] {
  if (shape === null) return { 204: { description: 'Done.' } };
  if (typeof shape === 'string')
    return { 200: { description: 'What was asked for.', content: { [shape]: { schema: { type: 'string' } } } } };
  const name = NAMES.get(shape);
  const schema = name === undefined ? toJson(shape, 'output') : { $ref: `#/components/schemas/${name}` };
  return { 200: { description: 'What was asked for.', content: { 'application/json': { schema } } } };
}

/** Statuses of problems: those of every route, and its own. */
function problems(route: Route): Operation['responses'] {
  const every = route.open ? [400] : [400, 401, 421];
  const ofChange = route.method === 'GET' ? [] : [403];
  const ofBody = route.body === null ? [] : [413, 415, 422];
  const ofPath = route.path.includes(':') ? [404] : [];
  const statuses = new Set([...every, ...ofChange, ...ofBody, ...ofPath, ...route.problems]);
  const content = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  return Object.fromEntries(
    [...statuses].sort((a, b) => a - b).map((status) => [status, { description: PROBLEMS[status]!, content }]),
  );
}

function toJson(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io });
  return json as JsonSchema;
}
