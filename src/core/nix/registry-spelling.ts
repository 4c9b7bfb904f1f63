import { isRepositoryName } from '#core/oci/route.ts'
import { foldAttributeName, formatAttributePath } from './attribute-path.ts'

/**
 * How registry names spell the attributes of a package set, so that a look-up (`nix/lookup.nix`) finds
 * them again. At each level an exact name hides those that only fold to it, and of several that fold
 * alike none can be asked for; nor can what folds to something that no repository name may be.
 */
export class RegistrySpelling {
  /** Every name of the top level, folded. */
  readonly #topLevel: ReadonlySet<string>
  readonly #spelled: ReadonlyMap<string, string>

  constructor(topLevelNames: readonly string[]) {
    this.#topLevel = new Set(topLevelNames.map(foldAttributeName))
    this.#spelled = spellLevel(topLevelNames)
  }

  /** Of an attribute at the top level; `undefined` where no name leads to it. */
  ofTopLevel(attribute: string): string | undefined {
    return this.#spelled.get(attribute)
  }

  /** The attributes in a set of the top level that names lead to, with their names. */
  within(set: string, attributes: readonly string[]): ReadonlyMap<string, string> {
    const outer = this.#spelled.get(set)
    if (outer === undefined) return new Map()
    const names = [...spellLevel(attributes)].map(
      ([attribute, inner]) => [attribute, formatAttributePath([outer, inner])] as const,
    )
    return new Map(
      names.filter(([, name]) => isComponent(name) && !this.#leadsElsewhere(name, outer)),
    )
  }

  /** The longest name of the top level wins: `python3.11` is not what `python3` has under `11`. */
  #leadsElsewhere(name: string, outer: string): boolean {
    const words = name.slice(outer.length + 1).split('.')
    return words.some((_, index) =>
      this.#topLevel.has(formatAttributePath([outer, ...words.slice(0, index + 1)])),
    )
  }
}

function spellLevel(attributes: readonly string[]): ReadonlyMap<string, string> {
  const candidates = Map.groupBy(new Set(attributes), foldAttributeName)
  const spelled = new Map<string, string>()
  for (const [name, attributes] of candidates) {
    const [first] = attributes
    const meant = attributes.includes(name) ? name : attributes.length === 1 ? first : undefined
    if (meant !== undefined && isComponent(name)) spelled.set(meant, name)
  }
  return spelled
}

function isComponent(name: string): boolean {
  return isRepositoryName(name) && !name.includes('/')
}
