#!/usr/bin/env node
// Launcher: says clearly when Node is too old, and otherwise hands over to the compiled command line.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `limpet needs Node.js 22.19 or newer, this is ${process.versions.node}: install a newer one, or start limpet with npm run`,
  );
  process.exit(1);
}
await import('../dist/cli/main.js');
