#!/usr/bin/env node
// For the image's HEALTHCHECK: status 0 while the limpet that runs with this configuration answers /healthz, wherever its admin API is.
// One without an admin API is taken for healthy: when it ends, so does its container.
import { get } from 'node:http';
import { adminTarget } from '../dist/cli/admin-target.js';
import { loadAdmin } from '../dist/config/load.js';

const config = process.argv[2] ?? '/etc/limpet/limpet.yaml';
const loaded = loadAdmin(config);
if ('admin' in loaded && loaded.admin.bind === null) process.exit(0);

const fail = (error) => {
  console.error(error.message);
  process.exit(1);
};

try {
  const { origin, socketPath } = adminTarget({ config });
  get(`${origin}/healthz`, { ...(socketPath === null ? {} : { socketPath }), timeout: 2_500 }, ({ statusCode }) => {
    process.exit(statusCode === 200 ? 0 : 1);
  })
    .on('timeout', () => process.exit(1))
    .on('error', fail);
} catch (error) {
  fail(error);
}
