#!/bin/bash
# The nightly clean-up: what has ended, what nobody uses; and nothing else.
set -eu
$ENGINE run --network=none --name done1 "$IMAGE" true
$ENGINE run --network=none --name done2 --label keep=yes "$IMAGE" true
$ENGINE run -d --network=none --name busy -v used:/data "$IMAGE" sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done' >/dev/null
$ENGINE volume create unused >/dev/null
$ENGINE container prune -f --filter 'label!=keep' | wc -l
$ENGINE ps -a --sort names --format '{{.Names}}'
$ENGINE container prune -f --filter until=24h | wc -l
$ENGINE container prune -f >/dev/null
$ENGINE ps -a --format '{{.Names}}'
$ENGINE volume prune -f
$ENGINE volume ls -q
$ENGINE system prune -f >/dev/null
$ENGINE ps --format '{{.Names}} {{.State}}' | grep -c busy
$ENGINE rm -f -t 0 -v busy
$ENGINE volume rm used
