import { get } from 'node:http'

// The container's HEALTHCHECK: exits with 0 when the service answers as ready, and with 1 when it answers
// otherwise or not at all. How long it may take is docker's business.
const { NIXERY_HOST, PORT } = process.env
const options = { host: NIXERY_HOST || '127.0.0.1', port: PORT || 8080, path: '/v2/' }

get(options, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
