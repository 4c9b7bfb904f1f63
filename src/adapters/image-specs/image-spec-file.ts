import { z } from 'zod'
import { parseYaml } from '#adapters/yaml/parse-yaml.ts'
import type { ImageSpec } from '#engine/ports/image-specs.ts'

const text = z
  .string()
  .max(32_768)
  .regex(/^[^\0]*$/, 'text without NUL')
const words = z.array(text).max(1000)

const portSchema = z
  .union([z.number().int(), z.string()])
  .transform((port) => `${port}`)
  .transform((port) => (/^\d+$/.test(port) ? `${port}/tcp` : port))
  .refine(
    (port) => /^[1-9]\d{0,4}\/(?:tcp|udp|sctp)$/.test(port) && Number.parseInt(port, 10) <= 65_535,
    'a port such as 8080 or 53/udp',
  )

const specSchema = z.strictObject({
  // Longer than any name that can be typed: a spec is for images that outgrow one.
  packages: z
    .array(z.string().regex(/^[-+._a-zA-Z0-9]{1,255}$/, 'a package name'))
    .min(1)
    .max(128),
  source: z.string().default(''),
  tag: z
    .string()
    .regex(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/, 'a tag')
    .optional(),
  entrypoint: words.optional(),
  cmd: words.optional(),
  env: z.record(z.string().regex(/^[^=\0]+$/, 'a name without ='), text).optional(),
  // `1000` without quotes is a number in YAML.
  user: z
    .union([z.number().int().nonnegative(), z.string()])
    .transform((user) => `${user}`)
    .refine(
      (user) => /^[^:\s]+(?::[^:\s]+)?$/.test(user),
      'a user such as 1000, 1000:1000 or nobody',
    )
    .optional(),
  workingDir: z.string().startsWith('/').max(4096).optional(),
  labels: z.record(z.string().min(1).max(1024), text).optional(),
  exposedPorts: z
    .array(portSchema)
    .max(100)
    .transform((ports) => [...new Set(ports)].sort())
    .optional(),
})

/** The text is no spec; the message says in one line which part is wrong. */
export class ImageSpecError extends Error {
  override readonly name = 'ImageSpecError'
}

/** Reads a spec from YAML or JSON. Throws `ImageSpecError`. */
export function parseImageSpec(yaml: string): ImageSpec {
  const parsed = parseYaml(specSchema, yaml)
  if (parsed.kind === 'wrong') throw new ImageSpecError(parsed.message)
  const { packages, source, tag, ...asked } = parsed.value
  const options = Object.fromEntries(
    Object.entries(asked).filter(([, value]) => value !== undefined),
  )
  return { packages, source, ...(tag === undefined ? {} : { tag }), options }
}
