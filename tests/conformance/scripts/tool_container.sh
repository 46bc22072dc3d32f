#!/bin/sh
# A tool that is not installed: run it from an image, on the files of this directory, as the user that we are.
set -eu
printf 'c\na\nb\n' >list
tool() { $ENGINE run --rm --network=none -i -v "$PWD":/work -w /work "$IMAGE" "$@"; }
tool sort list
tool sh -c 'sort -r list >sorted' && cat sorted
echo 'from stdin' | tool tr a-z A-Z
tool wc -l <list
tool pwd
tool sh -c 'exit 4' || echo "code $?"
tool no-such-tool 2>/dev/null || echo "code $?"
tool /etc 2>/dev/null || echo "code $?"
