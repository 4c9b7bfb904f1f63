import './require-node.js'
import { setUp } from './set-up.js'

// `npm run set-up`: what `npm start` brings, for a service that is started by somebody else.
setUp('serve')
