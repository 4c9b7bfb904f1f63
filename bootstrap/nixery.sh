#!/bin/sh
# Where everything is installed, the product's Node runs bootstrap and product in one process: it starts
# in a third of the time of an older one, and no process waits for another. It is tried, not looked for,
# because it may lack a library. The machine's own Node brings what is missing.
script=$(readlink -f "$0")
root=${script%/bootstrap/*}
node=$root/node_modules/.bin/node
if "$node" --version >/dev/null 2>&1; then
  # Node keeps code without its types there, so that neither a start nor a worker thread strips it again.
  # In the project, not in /tmp: whoever may write the cache may run code in the service.
  export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$root/node_modules/.cache/node}"
  export PATH="$root/node_modules/.bin:$PATH"
else
  node=node
fi
exec "$node" "$root/bootstrap/nixery.js" "$@"
