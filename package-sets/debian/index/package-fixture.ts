/** For tests: packages as a list would have them. */
import type { BinaryPackage } from './binary-package.ts'
import { parseDependencyField } from './dependency-field.ts'

export interface PackageFields {
  readonly version?: string
  readonly priority?: string
  readonly depends?: string
  readonly provides?: string
}

export function packageFixture(name: string, fields: PackageFields = {}): BinaryPackage {
  const version = fields.version ?? '1.0-1'
  return {
    name,
    version,
    archive: 'main',
    file: `pool/main/${name}_${version}_amd64.deb`,
    sha256: '0'.repeat(64),
    description: `the ${name} package`,
    priority: fields.priority ?? 'optional',
    depends: parseDependencyField(fields.depends ?? ''),
    provides: parseDependencyField(fields.provides ?? ''),
  }
}

export function packagesFixture(
  ...packages: readonly BinaryPackage[]
): ReadonlyMap<string, BinaryPackage> {
  return new Map(packages.map((each) => [each.name, each]))
}
