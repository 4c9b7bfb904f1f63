/** Which colours the page has: the system's, or those that somebody chose here. */
export type Theme = 'system' | 'light' | 'dark'

export const themes: readonly Theme[] = ['system', 'light', 'dark']

const storageKey = 'theme'

export function readTheme(): Theme {
  try {
    const stored = localStorage.getItem(storageKey)
    return themes.find((theme) => theme === stored) ?? 'system'
  } catch {
    // A browser that keeps nothing for this page.
    return 'system'
  }
}

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme
}

export function keepTheme(theme: Theme): void {
  try {
    localStorage.setItem(storageKey, theme)
  } catch {
    // The choice lasts as long as the page.
  }
}

/**
 * Tells of a choice that was made elsewhere: in another tab, or on a page of the documentation that somebody
 * came back from. Gives what ends that.
 */
export function followTheme(onTheme: (theme: Theme) => void): () => void {
  const tell = () => onTheme(readTheme())
  addEventListener('storage', tell)
  addEventListener('pageshow', tell)
  return () => {
    removeEventListener('storage', tell)
    removeEventListener('pageshow', tell)
  }
}
