#!/bin/sh
# Back a volume with a database's files up to a tar beside us, lose it, and restore it.
set -eu
$ENGINE volume create pgdata
$ENGINE run --rm --network=none -v pgdata:/var/lib/db "$IMAGE" sh -c 'mkdir /var/lib/db/base; echo row1 >/var/lib/db/base/1; echo 15 >/var/lib/db/VERSION'
$ENGINE run --rm --network=none -v pgdata:/data:ro -v "$PWD":/backup "$IMAGE" tar -cf /backup/pgdata.tar -C /data .
tar -tf pgdata.tar | sort
$ENGINE volume rm pgdata
$ENGINE volume exists pgdata || echo "gone: $?"
$ENGINE volume create --label restored=yes pgdata
$ENGINE run --rm --network=none -v pgdata:/data -v "$PWD":/backup:ro "$IMAGE" tar -xf /backup/pgdata.tar -C /data
$ENGINE run --rm --network=none -v pgdata:/data "$IMAGE" cat /data/base/1 /data/VERSION
$ENGINE volume ls --filter label=restored --format '{{.Name}} {{.Driver}}'
$ENGINE volume inspect pgdata --format '{{.Name}} {{index .Labels "restored"}} {{.Scope}}'
$ENGINE volume rm pgdata
