// Imported first everywhere: an older Node must fail on this line and not on newer syntax elsewhere.
const oldestMajor = 20

const major = Number(process.versions.node.split('.')[0])
if (major < oldestMajor) {
  console.error(`nixery needs Node ${oldestMajor} or newer to start; this is ${process.version}`)
  process.exit(1)
}
