#!/bin/bash
# Run jobs at the same time, wait for all, and gather what they return.
set -eu
for i in 1 2 3; do
    $ENGINE run -d --network=none --name "job$i" --label batch=42 "$IMAGE" sh -c "sleep 0.$i; exit $i" >/dev/null
done
$ENGINE wait job1 job2 job3
$ENGINE ps -a --filter label=batch=42 --sort names --format '{{.Names}} {{.ExitCode}}'
$ENGINE ps -a --filter exited=2 --format '{{.Names}}'
$ENGINE ps -a --filter status=exited --filter name=job3 --noheading --format '{{.Names}}'
$ENGINE inspect --format '{{.Name}}={{.State.ExitCode}}' job1 job3
$ENGINE wait nobody 2>&1 || echo "code $?"
$ENGINE rm job1 nobody job2 2>&1 | grep -c '^Error' || true
$ENGINE ps -aq --filter label=batch=42 | wc -l
$ENGINE rm job1 job2 job3 | sort
