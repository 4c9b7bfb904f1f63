import { render } from 'preact'
import { Page } from './page/page.tsx'
import { applyTheme, readTheme } from './page/theme.ts'

applyTheme(readTheme())
render(<Page />, document.body)
