#!/bin/bash
# A service that fails at times is started again; one that was stopped on purpose is not.
set -eu
eventually() { for _ in $(seq 600); do "$@" && return; sleep 0.1; done; echo "never: $*"; }
counted() { [ "$($ENGINE run --rm --network=none -v runs:/runs "$IMAGE" wc -l /runs/count | cut -d' ' -f1)" = 3 ]; }
ended() { [ "$($ENGINE inspect --format '{{.State.Status}}' flaky)" = exited ]; }
ready() { $ENGINE logs steady | grep -q ready; }
$ENGINE run -d --network=none --name flaky --restart on-failure:2 -v runs:/runs "$IMAGE" sh -c 'echo run >>/runs/count; exit 1' >/dev/null
eventually counted
$ENGINE run --rm --network=none -v runs:/runs "$IMAGE" cat /runs/count
eventually ended
$ENGINE inspect --format '{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' flaky
$ENGINE run -d --network=none --name steady --restart always "$IMAGE" sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
eventually ready
$ENGINE stop -t 60 steady
sleep 0.5
$ENGINE inspect --format '{{.State.Status}} {{.State.ExitCode}}' steady
$ENGINE run --network=none --restart sometimes "$IMAGE" true 2>/dev/null || echo "code $?"
$ENGINE rm -f flaky steady | sort
$ENGINE volume rm runs
