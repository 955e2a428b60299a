import { type Browser, chromium } from 'playwright-core';

/** Starts Chromium without a window. @param file of the program; see findChromium */
export function launchBrowser(file: string): Promise<Browser> {
  return chromium.launch({
    executablePath: file,
    // Its sandbox cannot be set up for root, as whom tests run in containers.
    chromiumSandbox: process.getuid?.() !== 0,
    // Containers have a small /dev/shm. The GPU and updates are of no use here.
    args: ['--disable-dev-shm-usage', '--disable-gpu', '--disable-component-update'],
    timeout: 30_000,
  });
}
