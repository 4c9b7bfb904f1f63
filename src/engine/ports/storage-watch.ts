/** Tells cheaply that nothing was stored or removed. */
export interface StorageWatch {
  /**
   * What blobs and cached manifests there are, as a number that is another one after any of them came or
   * went, whoever did it. It says nothing of a blob whose bytes were changed in its place. `undefined`
   * when something came or went just now, so that a further change could go unnoticed. Does not wait.
   */
  state(): number | undefined
}
