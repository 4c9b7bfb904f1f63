import { applyTheme, followTheme, keepTheme, readTheme, themes } from '../../web/page/theme.ts'

/** Gives the page the colours that somebody chose, here or on the page of the service. */
export function setUpTheme(): void {
  applyTheme(readTheme())
  const choice = document.querySelector<HTMLElement>('.theme')
  const select = choice?.querySelector('select')
  if (!choice || !select) return
  select.value = readTheme()
  select.addEventListener('change', () => {
    const chosen = themes.find((theme) => theme === select.value) ?? 'system'
    applyTheme(chosen)
    keepTheme(chosen)
  })
  followTheme((theme) => {
    applyTheme(theme)
    select.value = theme
  })
  choice.hidden = false
}
