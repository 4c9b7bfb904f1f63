/**
 * Hands bytes of a file from the kernel's memory to a connection, without copying them; see sendfile(2).
 * Gives how many the connection took: 0 when it is full or broken, when the file ends before them, and
 * where the kernel cannot do that for this file; reading and writing tells which.
 */
export type SendPages = (
  socketDescriptor: number,
  fileDescriptor: number,
  position: number,
  mostBytes: number,
) => number

// 64-bit offsets under the plain name; elsewhere it has another signature or none.
const isKnownPlatform =
  process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')

let loaded: { readonly sendPages: SendPages | undefined } | undefined

/** `undefined` where Node cannot call the kernel's function. Takes some 20 ms, once. */
export function loadSendPages(): SendPages | undefined {
  loaded ??= { sendPages: isKnownPlatform ? findSendPages() : undefined }
  return loaded.sendPages
}

function findSendPages(): SendPages | undefined {
  try {
    const { dlopen, getRawPointer } = quietly(() => process.getBuiltinModule('node:ffi'))
    // Kept whole: its functions are of no use without the library.
    const kernel = dlopen(null, {
      sendfile: { arguments: ['i32', 'i32', 'pointer', 'u64'], return: 'i64' },
    })
    // One for all: the kernel reads and writes it within the call. A buffer of its own is never moved.
    const offset = new BigInt64Array(new ArrayBuffer(8))
    const offsetAddress = getRawPointer(offset.buffer)
    return (socketDescriptor, fileDescriptor, position, mostBytes) => {
      offset[0] = BigInt(position)
      const sentBytes = kernel.functions.sendfile(
        socketDescriptor,
        fileDescriptor,
        offsetAddress,
        BigInt(mostBytes),
      )
      return Math.max(0, Number(sentBytes))
    }
  } catch {
    // A Node without it, or one that may not: there is another way for every file.
    return undefined
  }
}

/** Without the warning of an experiment: operators cannot do anything about it. */
function quietly<Result>(load: () => Result): Result {
  const emitWarning: unknown = Reflect.get(process, 'emitWarning')
  process.emitWarning = () => {}
  try {
    return load()
  } finally {
    Reflect.set(process, 'emitWarning', emitWarning)
  }
}
