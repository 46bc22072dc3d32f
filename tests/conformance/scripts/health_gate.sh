#!/bin/bash
# Start a service, and go on only when its health check says that it is ready.
set -u
$ENGINE run -d --network=none --name web --health-cmd 'test -e /ready' --health-interval disable --health-retries 1 --health-start-period 0s "$IMAGE" \
    sh -c 'trap "exit 0" TERM; sleep 0.5; touch /ready; while :; do sleep 0.1; done' >/dev/null
for _ in $(seq 200); do
    if $ENGINE healthcheck run web >/dev/null; then
        break
    fi
    sleep 0.2
done
$ENGINE healthcheck run web; echo "healthy: $?"
$ENGINE inspect --format '{{.State.Status}}' web
$ENGINE exec web rm /ready
$ENGINE healthcheck run web >/dev/null; echo "unhealthy: $?"
$ENGINE stop -t 60 web >/dev/null
$ENGINE inspect --format '{{.State.Status}} {{.State.ExitCode}}' web
$ENGINE healthcheck run web 2>/dev/null >&2; echo "stopped: $?"
$ENGINE rm web
