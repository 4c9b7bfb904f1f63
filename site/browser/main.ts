import { offerNearest } from './nearest-pages.ts'
import { setUpSearch } from './search-box.ts'
import { setUpTheme } from './theme-choice.ts'

// What the documentation can do with a script, beside being read.
setUpTheme()
setUpSearch()
void offerNearest()
