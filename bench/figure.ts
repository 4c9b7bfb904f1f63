/** One measured value of one round. */
export interface Figure {
  readonly name: string
  readonly unit: 's' | 'ms' | 'MB' | 'MB/s' | 'requests/s'
  readonly value: number
}
