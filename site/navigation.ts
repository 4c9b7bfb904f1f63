/** The pages of docs/ in their order, without `.md`. A test compares this with what is there. */
export const navigation: readonly { readonly title: string; readonly pages: readonly string[] }[] =
  [
    { title: 'Start', pages: ['index', 'quick-start'] },
    { title: 'Images', pages: ['naming', 'sources', 'images'] },
    {
      title: 'Run your own',
      pages: [
        'run-your-own',
        'operating',
        'storage',
        'caching',
        'configuration',
        'command-line',
        'api',
        'errors',
        'security',
      ],
    },
    {
      title: 'How it works',
      pages: [
        'under-the-hood',
        'layering',
        'popularity',
        'performance',
        'differences',
        'decisions',
      ],
    },
    { title: 'Nix', pages: ['nix-for-newcomers', 'nix-language'] },
  ]
