#!/bin/sh
# `npm start`. When npm is killed without a chance to pass it on, the kernel ends the service.
set -- sh "${0%/*}/nixery.sh" serve "$@"
command -v setpriv >/dev/null && set -- setpriv --pdeathsig TERM -- "$@"
exec "$@"
