// Run by `npm ci` before any program of the packages it installs, with whatever Node is there (CommonJS, for old ones).
//
// Sources and tests run on the Node of the npm package `node`. It is linked with libatomic.so.1, which a minimal Debian does not
// have, and the first install script that npm runs with it would fail with 127. Scripts of the project itself come too late for
// that; a dependency's `preinstall` is the one thing that npm runs before. So this is one (`install-links` in .npmrc makes npm
// install it as a package, not as a link, whose scripts would come last).
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');

const LIBRARY = 'libatomic.so.1';

/** Whether programs find the library; where that cannot be known, it is taken for granted. */
function isThere() {
  if (process.platform !== 'linux' || !isGlibc()) return true;
  const { stdout, status } = spawnSync('sh', ['-c', 'PATH=$PATH:/sbin:/usr/sbin ldconfig -p'], { encoding: 'utf8' });
  const elsewhere = (process.env.LD_LIBRARY_PATH || '').split(':').filter((directory) => directory !== '');
  return (
    status !== 0 || stdout.includes(LIBRARY) || elsewhere.some((directory) => existsSync(`${directory}/${LIBRARY}`))
  );
}

function isGlibc() {
  return Boolean(process.report?.getReport().header.glibcVersionRuntime);
}

if (!isThere() && process.getuid() === 0 && existsSync('/usr/bin/apt-get')) {
  const options = { stdio: 'inherit', env: Object.assign({}, process.env, { DEBIAN_FRONTEND: 'noninteractive' }) };
  spawnSync('apt-get', ['update', '-q'], options);
  spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'libatomic1'], options);
}
if (!isThere()) {
  console.error(
    `The Node that npm ci brings along needs ${LIBRARY}, which is not installed. Install it, then run npm ci again:\n` +
      '  Debian, Ubuntu:  sudo apt-get install libatomic1\n' +
      '  Fedora, RHEL:    sudo dnf install libatomic\n' +
      '  Arch:            sudo pacman -S gcc-libs',
  );
  process.exit(1);
}
