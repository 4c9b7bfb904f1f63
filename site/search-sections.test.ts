import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listSections } from './search-sections.ts'

test('listSections() gives the text below each heading, with its address', () => {
  const html = `<nav><h2 id="no">Pages</h2></nav><main id="text" tabindex="-1">
<h1>Storage</h1>
<p>In a <a href="x.html">direc</a>tory &amp; a bucket.</p>
<h2 id="damage">Damage, <code>&lt;quarantine&gt;</code></h2>
<table><tr><th>one</th><td>two</td></tr></table>
<h3 class="x" id="repair">Repair</h3>
</main><p>after</p>`
  const page = 'Storage'
  assert.deepEqual(listSections('storage.html', html), [
    { page, address: 'storage.html', heading: page, text: 'In a directory & a bucket.' },
    { page, address: 'storage.html#damage', heading: 'Damage, <quarantine>', text: 'one two' },
    { page, address: 'storage.html#repair', heading: 'Repair', text: '' },
  ])
})
