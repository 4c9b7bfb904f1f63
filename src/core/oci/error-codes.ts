/**
 * The error codes of distribution-spec (section "Error Codes"), and `UNKNOWN`, which clients must
 * fall back to and which is all a 5xx can say.
 */
export type RegistryErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'TOOMANYREQUESTS'
  | 'UNSUPPORTED'
  | 'UNKNOWN'

/** The body of every 4xx and 5xx under `/v2/`. */
export function formatRegistryError(code: RegistryErrorCode, message: string): string {
  return JSON.stringify({ errors: [{ code, message, detail: null }] })
}
