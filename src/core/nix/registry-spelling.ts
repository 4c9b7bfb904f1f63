import { isRepositoryName } from '#core/oci/route.ts'
import { foldAttributeName, formatAttributePath } from './attribute-path.ts'

/** Where a set lies: the level, and its part of the name there. */
interface Above {
  readonly level: RegistrySpelling
  readonly part: string
}

/**
 * How registry names spell the attributes at one level of a package set, so that a look-up
 * (`nix/lookup.nix`) finds them again. At each level an exact name hides those that only fold to it, and
 * of several that fold alike none can be asked for; nor can what folds to something that no repository
 * name may be.
 */
export class RegistrySpelling {
  /** Every name of the level, folded. */
  readonly #folded: ReadonlySet<string>
  /** Attributes that names lead to, with their part of the name. */
  readonly #spelled: ReadonlyMap<string, string>
  readonly #above: Above | undefined

  private constructor(attributes: readonly string[], above?: Above) {
    this.#folded = new Set(attributes.map(foldAttributeName))
    this.#spelled = spellLevel(attributes)
    this.#above = above
  }

  static ofTopLevel(attributes: readonly string[]): RegistrySpelling {
    return new RegistrySpelling(attributes)
  }

  /** Inside an attribute of this level that a name leads to. */
  within(attribute: string, attributes: readonly string[]): RegistrySpelling {
    const part = this.#spelled.get(attribute)
    if (part === undefined) throw new Error(`no name leads to ${attribute}`)
    return new RegistrySpelling(attributes, { level: this, part })
  }

  /** The attributes that names lead to, with their names. */
  names(): ReadonlyMap<string, string> {
    const names = [...this.#spelled]
      .filter(([, part]) => !this.#isHidden(part))
      .map(([attribute, part]) => [attribute, this.#fullName(part)] as const)
    return new Map(names.filter(([, name]) => isComponent(name)))
  }

  #fullName(part: string): string {
    const above = this.#above
    return above === undefined ? part : above.level.#fullName(`${above.part}.${part}`)
  }

  /** The longest name of a level wins: `python3.11` is not what `python3` has under `11`. */
  #isHidden(part: string): boolean {
    const above = this.#above
    if (above === undefined) return false
    const { level, part: outer } = above
    const words = part.split('.')
    const longer = words.map((_, index) =>
      formatAttributePath([outer, ...words.slice(0, index + 1)]),
    )
    return longer.some((name) => level.#folded.has(name)) || level.#isHidden(`${outer}.${part}`)
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
