#!/bin/bash
# Copy a configuration into a container, change it there, and fetch it; directories and archives as well.
set -eu
mkdir -p conf; echo 'port=80' >conf/app.conf; echo two >conf/other
$ENGINE create --network=none --name target "$IMAGE" sh -c 'cat /etc/app/app.conf' >/dev/null
$ENGINE cp conf target:/etc/app
$ENGINE start -a target
sed -i s/80/8080/ conf/app.conf
$ENGINE cp conf/app.conf target:/etc/app/app.conf
$ENGINE start -a target
$ENGINE cp target:/etc/app/app.conf fetched; cat fetched
$ENGINE cp target:/etc/app fetched-dir; find fetched-dir -type f | sort
$ENGINE cp target:/etc/app/other - | tar -tf -
tar -cf - conf | $ENGINE cp - target:/tmp
$ENGINE cp target:/tmp/conf/other -  | tar -xOf -
$ENGINE diff target | grep -c '/etc/app/app.conf'
$ENGINE cp target:/nope x 2>/dev/null || echo "code $?"
$ENGINE cp nobody:/x x 2>/dev/null || echo "code $?"
$ENGINE rm target
