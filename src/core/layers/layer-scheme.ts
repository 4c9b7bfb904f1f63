/**
 * How a closure is distributed over layers: as Nixery published it (`plan-original-layers.ts`), or by
 * what each store path is by itself (`plan-stable-layers.ts`).
 */
export const layerSchemes = ['stable', 'original'] as const

export type LayerScheme = (typeof layerSchemes)[number]
