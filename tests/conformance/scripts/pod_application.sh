#!/bin/bash
# An application of several containers as a pod: they share address and host name, and live and end together.
set -eu
serve='trap "exit 0" TERM; while :; do sleep 0.1; done'
eventually() { for _ in $(seq 600); do "$@" && return; sleep 0.1; done; echo "never: $*"; }
is() { [ "$($ENGINE pod inspect --format '{{.State}}' app)" = "$1" ]; }
told() { $ENGINE logs worker | grep -q shop; }
state() { $ENGINE pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'; }
$ENGINE pod exists app || echo "not there: $?"
$ENGINE pod create --name app --network=none --hostname shop --label tier=web >/dev/null
state
$ENGINE create --pod app --init-ctr always --name migrate "$IMAGE" sh -c 'echo migrated' >/dev/null
$ENGINE run -d --pod app --name web "$IMAGE" sh -c "echo ready; mkdir -p /srv; echo hello >/srv/index.html; httpd -p 127.0.0.1:8080 -h /srv; $serve" >/dev/null
$ENGINE run -d --pod app --name worker "$IMAGE" sh -c "hostname; $serve" >/dev/null
state
eventually $ENGINE exec worker wget -q -O - http://127.0.0.1:8080/
eventually told
$ENGINE pod inspect --format '{{.Name}} {{.State}} {{.ExitPolicy}} {{index .Labels "tier"}} {{.NumContainers}}' app
$ENGINE pod ps --filter label=tier=web --filter status=running --format '{{.Name}}'
$ENGINE pod logs -n app | sort
$ENGINE pod logs -c worker app
$ENGINE pod top app args | grep -c httpd
$ENGINE stop -t 5 worker
eventually is Degraded; state
$ENGINE pod prune -f
$ENGINE rm worker
$ENGINE pod stop -t 5 app >/dev/null
eventually is Exited; state
$ENGINE ps -a --filter pod=app --format '{{.Names}}' | grep -v infra | sort
$ENGINE pod start app >/dev/null
eventually is Running
$ENGINE pod logs app | grep -c migrated
$ENGINE pod restart app >/dev/null
eventually is Running
$ENGINE pod logs app | grep -c migrated
$ENGINE pod kill app >/dev/null
eventually is Exited; state
$ENGINE pod clone app copy >/dev/null
$ENGINE ps -a --filter pod=copy --format '{{.Names}}' | grep -v infra | sort
$ENGINE pod prune -f | wc -l
$ENGINE pod ps -q | wc -l
$ENGINE pod rm -f copy | wc -l
$ENGINE pod kill app || echo "code $?"
$ENGINE run --rm --pod app "$IMAGE" true 2>/dev/null || echo "code $?"
