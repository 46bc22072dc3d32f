#!/bin/bash
# A job of continuous integration: steps in containers, each with its exit code, variables and time limit.
set -uo pipefail
failed=0
step() {
    local name=$1; shift
    $ENGINE run --rm --network=none --name "ci-$name" -e CI=true -e STEP="$name" "$@"
    local code=$?
    echo "step $name: $code"
    [ $code -eq 0 ] || failed=1
}
step lint "$IMAGE" sh -c 'echo "linting in $CI/$STEP"'
step unit "$IMAGE" sh -c 'echo "2 passed"; exit 0'
step broken "$IMAGE" sh -c 'echo "1 failed" >&2; exit 3'
step killed "$IMAGE" sh -c 'sh -c "kill -9 \$\$"; exit $?'
step memory --memory 64m "$IMAGE" sh -c 'echo "limited"'
step readonly --read-only "$IMAGE" sh -c 'touch /x 2>/dev/null || echo "read-only"'
step env --env-file /dev/null --entrypoint echo "$IMAGE" entry point
$ENGINE ps -aq --filter name=ci- | wc -l
$ENGINE run --network=none --no-such-flag "$IMAGE" true 2>&1 | head -1
echo "usage: ${PIPESTATUS[0]}"
exit $failed
