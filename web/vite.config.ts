import { defineConfig } from 'vite'

// oxlint-disable-next-line import/no-default-export -- how Vite reads it
export default defineConfig({
  root: import.meta.dirname,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    // Smaller files become data: addresses otherwise, which the policy allows for images alone.
    assetsInlineLimit: 0,
    // For browsers that know no modulepreload; all that run this page do.
    modulePreload: { polyfill: false },
    emptyOutDir: true,
  },
  plugins: [
    {
      // The script draws everything and knows the colours that somebody chose: before it there is
      // nothing to show. Vite leaves the attribute out.
      name: 'block-rendering',
      transformIndexHtml: {
        order: 'post',
        handler: (html) => html.replace('<script type="module"', '$& blocking="render"'),
      },
    },
  ],
})
