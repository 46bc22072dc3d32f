#!/bin/bash
# Set a container up by hand, keep it as an image, and run that.
set -eu
$ENGINE run --network=none --name setup "$IMAGE" sh -c 'echo installed >/opt-tool; echo "#!/bin/sh" >/start; echo "echo tool says \$1" >>/start; chmod +x /start'
$ENGINE commit -q --change 'ENTRYPOINT ["/start"]' --change 'CMD ["hello"]' --change 'ENV MODE=prod' --change 'LABEL made=byhand' --author us setup localhost/tool:1 >/dev/null
$ENGINE run --rm --network=none localhost/tool:1
$ENGINE run --rm --network=none localhost/tool:1 bye
$ENGINE run --rm --network=none --entrypoint cat localhost/tool:1 /opt-tool
$ENGINE image inspect --format '{{.Author}} {{index .Config.Labels "made"}} {{.Config.Entrypoint}} {{.Config.Cmd}}' localhost/tool:1
$ENGINE images --format '{{.Repository}}:{{.Tag}}' --filter label=made
$ENGINE image exists localhost/tool:1; echo "exists: $?"
$ENGINE rmi localhost/tool:1 >/dev/null
$ENGINE image exists localhost/tool:1 || echo "gone: $?"
$ENGINE rm setup
