/** The pages of docs/ in their order, without `.md`. A test compares this with what is there. */
export const navigation: readonly { readonly title: string; readonly pages: readonly string[] }[] =
  [
    { title: 'Start', pages: ['index'] },
    { title: 'Images', pages: ['sources', 'images'] },
    { title: 'Run your own', pages: ['operating', 'storage', 'configuration', 'errors'] },
    { title: 'Understand', pages: ['layering', 'popularity', 'performance', 'decisions'] },
  ]
