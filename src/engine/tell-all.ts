interface Observer<Facts extends readonly unknown[]> {
  observe(...facts: Facts): void
}

/** One observer for several: the log and the metrics. */
export function tellAll<Facts extends readonly unknown[]>(
  ...observers: ReadonlyArray<Observer<Facts>>
): Observer<Facts> {
  return {
    observe(...facts) {
      for (const observer of observers) observer.observe(...facts)
    },
  }
}
