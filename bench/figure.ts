/** One measured value of one round. */
export interface Figure {
  readonly name: string
  readonly unit: 's' | 'ms' | 'MB' | 'MB/s' | 'requests/s' | 's/GB'
  readonly value: number
}
