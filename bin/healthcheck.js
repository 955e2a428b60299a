#!/usr/bin/env node
// For the image's HEALTHCHECK: status 0 while the limpet that runs with this configuration is healthy.
import { healthcheck } from '../dist/cli/healthcheck.js';

try {
  await healthcheck(process.argv[2] ?? '/etc/limpet/limpet.yaml');
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
