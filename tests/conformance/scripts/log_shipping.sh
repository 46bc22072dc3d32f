#!/bin/bash
# Ship a service's log lines elsewhere: follow them until the service ends; then look back at them.
set -eu
$ENGINE run -d --network=none --name service "$IMAGE" sh -c 'for i in 1 2 3 4 5; do echo "line $i"; echo "warn $i" >&2; sleep 0.1; done' >/dev/null
$ENGINE logs -f service 2>errors | while read -r line; do echo "shipped: $line"; done
sort errors
$ENGINE wait service
$ENGINE logs --tail 2 service 2>/dev/null | tail -n 1
$ENGINE logs service 2>&1 | sort | uniq | wc -l
$ENGINE logs --timestamps service 2>/dev/null | head -n 1 | grep -cE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T'
$ENGINE logs --since 1h service 2>/dev/null | wc -l
$ENGINE logs --until 1h service 2>/dev/null | wc -l
$ENGINE logs nobody 2>&1 || echo "code $?"
$ENGINE rm service
