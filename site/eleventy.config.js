import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { HtmlBasePlugin, IdAttributePlugin, InputPathToUrlTransformPlugin } from '@11ty/eleventy'
import { formatIndex } from './browser/section-search.ts'
import { buildScript } from './build-script.ts'
import { formatHeadingId } from './heading-id.ts'
import { navigation } from './navigation.ts'
import { formatOutline } from './outline.ts'
import { listSections } from './search-sections.ts'

// Pages are plain Markdown that a code host shows too: no front matter, links to `other-page.md`, the
// first heading is the title. All that the site adds to them is here.

// As servers of files call it.
const notFound = '404'

// oxlint-disable-next-line import/no-default-export -- Eleventy takes the default export
export default function configure(eleventy) {
  eleventy.addGlobalData('layout', 'page.njk')
  eleventy.addGlobalData('eleventyComputed', {
    // A name with its ending, so that any server of files finds it.
    permalink: ({ page }) => `${page.fileSlug === '' ? 'index' : page.fileSlug}.html`,
    title: ({ page }) => titleOf(page.inputPath),
  })
  eleventy.addGlobalData('navigation', () =>
    navigation.map(({ title, pages }) => ({
      title,
      pages: pages.map((name) => ({
        url: name === 'index' ? '/' : `/${name}.html`,
        title: titleOf(`docs/${name}.md`),
      })),
    })),
  )
  eleventy.addPreprocessor('source', 'md', (_data, text) =>
    text
      // Comments say what tests do with a command; they are for readers of the source.
      .replaceAll(/^<!--[^]*?-->\n/gm, '')
      // A page that is called by its file has a title here.
      .replaceAll(
        /\[([\w-]+)\.md\](?=\(\1\.md)/g,
        (_link, name) => `[${titleOf(`docs/${name}.md`)}]`,
      ),
  )
  // Nothing of a page becomes markup, style or script of its own.
  eleventy.amendLibrary('md', (markdown) => markdown.set({ html: false }))
  eleventy.addFilter('outline', formatOutline)
  eleventy.addTransform('markup', (text) =>
    // Wide ones scroll by themselves, by keyboard too.
    text
      .replaceAll('<table>', '<div class="table" tabindex="0"><table>')
      .replaceAll('</table>', '</table></div>')
      .replaceAll('<pre>', '<pre tabindex="0">')
      // Outside of the prefix, from an address of any depth that is not there.
      .replaceAll('href="../"', 'href="/"'),
  )
  eleventy.addPlugin(IdAttributePlugin, {
    slugify: formatHeadingId,
    selector: '[id],h2,h3,h4',
  })
  eleventy.addPlugin(InputPathToUrlTransformPlugin)
  eleventy.addPlugin(HtmlBasePlugin)
  eleventy.addPassthroughCopy({
    'web/palette.css': 'palette.css',
    'site/style.css': 'style.css',
    'web/public/icon.svg': 'icon.svg',
  })
  eleventy.addPassthroughCopy('docs/**/*.{svg,png}')
  // What the service answers with when there is no such page.
  eleventy.addTemplate(`docs/${notFound}.md`, readFileSync('site/not-found.md', 'utf8'), {
    notFound: true,
  })
  eleventy.on('eleventy.after', async ({ directories, results }) => {
    const pages = results.filter(({ inputPath }) => !inputPath.endsWith(`${notFound}.md`))
    const sections = pages.flatMap(({ outputPath, content }) =>
      listSections(basename(outputPath), content),
    )
    writeFileSync(join(directories.output, 'search.json'), formatIndex(sections))
    await buildScript(directories.output)
  })
  return {
    dir: { input: 'docs', includes: '../site', data: '../site/data', output: 'dist/docs' },
    pathPrefix: '/docs/',
    templateFormats: ['md'],
    // Braces in a page are braces.
    markdownTemplateEngine: false,
  }
}

function titleOf(path) {
  if (path.endsWith(`${notFound}.md`)) return titleOf('site/not-found.md')
  return /^# (.+)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? path
}
