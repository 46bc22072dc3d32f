#!/bin/bash
# Replace a service by its next version under the same name, and go back if that does not start.
set -eu
serve='trap "exit 0" TERM; while :; do sleep 0.1; done'
deploy() { $ENGINE run -d --network=none --replace --name app --label version="$1" -e VERSION="$1" "$IMAGE" sh -c "$2" >/dev/null; }
version() { $ENGINE inspect --format '{{index .Config.Labels "version"}} {{.State.Running}}' app; }
deploy 1 "$serve"; version
deploy 2 "$serve"; version
$ENGINE exec app sh -c 'echo "serving $VERSION"'
$ENGINE rename app app-old; $ENGINE stop -t 5 app-old >/dev/null
deploy 3 'exit 1'
$ENGINE wait app
if [ "$($ENGINE inspect --format '{{.State.Running}}' app)" = false ]; then
    $ENGINE rm app; $ENGINE rename app-old app; $ENGINE start app; sleep 0.3
fi
version
$ENGINE run -d --network=none --name app "$IMAGE" true >/dev/null 2>&1 || echo "name in use: $?"
$ENGINE ps --filter label=version --format '{{.Names}} {{.State}}' | grep -c app
$ENGINE rm -f -t 0 app
