#!/bin/bash
# Give a service its settings by a file of variables, and its password by a secret.
set -eu
printf 'DB_HOST=db\nDB_PORT=5432\n# a comment\nEMPTY=\nFROM_HOST\n' >app.env
export FROM_HOST=here
printf 's3cret' | $ENGINE secret create db_password - >/dev/null
$ENGINE secret ls --format '{{.Name}} {{.Driver}}'
$ENGINE run --rm --network=none --env-file app.env --secret db_password "$IMAGE" sh -c 'echo "$DB_HOST:$DB_PORT [$EMPTY] $FROM_HOST"; cat /run/secrets/db_password; echo; ls -l /run/secrets/db_password | cut -c1-10'
$ENGINE run --rm --network=none --secret db_password,type=env,target=PASSWORD "$IMAGE" sh -c 'echo "$PASSWORD"'
$ENGINE run --rm --network=none --secret db_password,target=/pw,mode=0440 "$IMAGE" sh -c 'cat /pw; echo; stat -c %a /pw'
$ENGINE run --rm --network=none --env-file nowhere "$IMAGE" true 2>/dev/null || echo "code $?"
$ENGINE run --rm --network=none --secret nobody "$IMAGE" true 2>/dev/null || echo "code $?"
$ENGINE secret rm db_password >/dev/null
$ENGINE secret ls -q | wc -l
