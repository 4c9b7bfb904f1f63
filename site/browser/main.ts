import { offerNearest } from './nearest-pages.ts'
import { setUpSearch } from './search-box.ts'
import { setUpTheme } from './theme-choice.ts'

// What the documentation can do with a script, beside being read.
setUpTheme()
setUpSearch()
// The page is whole without them, and says all that it is to say.
offerNearest().catch(() => undefined)
