import { join, resolve } from 'node:path'
import { build } from 'vite'

/**
 * Builds `main.js` of the documentation, and what it loads when somebody searches.
 *
 * @param output directory of the built pages
 */
export async function buildScript(output: string): Promise<void> {
  await build({
    configFile: false,
    root: join(import.meta.dirname, 'browser'),
    base: './',
    logLevel: 'warn',
    publicDir: false,
    build: {
      outDir: resolve(output),
      // The pages are there already.
      emptyOutDir: false,
      modulePreload: false,
      rolldownOptions: {
        input: join(import.meta.dirname, 'browser', 'main.ts'),
        // Pages name it, whatever is in it.
        output: { entryFileNames: '[name].js' },
      },
    },
  })
}
