"""Which group declares which flag: so that the fast reader imports none but those of a line.

tests/unit/pod/test_fastargs.py holds it against the declarations, and prints what it has to be.
"""

from __future__ import annotations

# Each flag with a blank on either side.
FLAGS = {
    "general": (
        " --annotation --cidfile --conmon-pidfile --interactive -i --label -l --label-file --name --pidfile"
        " --pull --replace --rm --rootfs --tty -t"
        " "
    ),
    "process": (" --entrypoint --env -e --env-file --group-add --init --init-path --user -u --workdir -w "),
    "storage": (
        " --chrootdirs --image-volume --mount --read-only --read-only-tmpfs --secret --shm-size"
        " --shm-size-systemd --tmpfs --volume -v --volumes-from"
        " "
    ),
    "network": (
        " --dns --dns-option --dns-opt --dns-search --expose --ip --ip6 --mac-address --network --net"
        " --network-alias --publish -p --publish-all -P"
        " "
    ),
    "resources": (
        " --blkio-weight --blkio-weight-device --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime"
        " --cpu-shares -c --cpus --cpuset-cpus --cpuset-mems --device-read-bps --device-read-iops"
        " --device-write-bps --device-write-iops --memory -m --memory-reservation --memory-swap"
        " --memory-swappiness --pids-limit"
        " "
    ),
    "cgroups": (
        " --cgroup-conf --cgroup-parent --cgroups --kernel-memory --oom-kill-disable --oom-score-adj"
        " --rdt-class --ulimit"
        " "
    ),
    "devices": (" --device --device-cgroup-rule --gpus "),
    "security": (" --cap-add --cap-drop --privileged --seccomp-policy --security-opt --sysctl "),
    "namespaces": (" --cgroupns --gidmap --ipc --pid --subgidname --subuidname --uidmap --userns --uts "),
    "identity": (
        " --add-host --env-host --env-merge --group-entry --hostname -h --hosts-file --hostuser --http-proxy"
        " --no-hostname --no-hosts --passwd --passwd-entry --personality --preserve-fd --preserve-fds --tz"
        " --umask --unsetenv --unsetenv-all"
        " "
    ),
    "lifecycle": (" --restart --sdnotify --stop-signal --stop-timeout --systemd --timeout "),
    "health": (
        " --health-cmd --healthcheck-command --healthcheck-cmd --health-interval --healthcheck-interval"
        " --health-log-destination --health-max-log-count --health-max-log-size --health-on-failure"
        " --health-retries --healthcheck-retries --health-start-period --healthcheck-start-period"
        " --health-startup-cmd --health-startup-interval --health-startup-retries --health-startup-success"
        " --health-startup-timeout --health-timeout --healthcheck-timeout --no-healthcheck"
        " "
    ),
    "ties": (" --attach -a --requires "),
    "pod_member": (" --pod --pod-id-file "),
    "pod_choice": (" --latest -l --pod-id-file "),
    "pod_ending": (" --ignore -i --time -t --timeout "),
    "infra": (" --infra-command --infra-conmon-pidfile --infra-name "),
    "logging": (" --log-driver --log-opt "),
    "registry": (
        " --arch --override-arch --decryption-key --disable-content-trust --os --override-os --platform --quiet -q"
        " --retry --retry-delay --signature-policy --variant --override-variant"
        " "
    ),
    "choice": (" --cidfile --filter -f --latest -l "),
    "credentials": (" --authfile --cert-dir "),
    "access": (" --creds --tls-verify "),
    "retrying": (" --retry --retry-delay "),
    "outgoing": (
        " --compression-format --compression-level --encrypt-layer --encryption-key --force-compression --format -f"
        " --remove-signatures --sign-by --sign-by-sigstore --sign-by-sigstore-private-key --sign-passphrase-file"
        " "
    ),
    "member": (" --annotation --arch --features --os --os-features --os-version --variant "),
    "building": (
        " --all-platforms --annotation --build-arg --build-arg-file --build-context --cache-from --cache-to"
        " --cache-ttl --cpp-flag --env --force-rm --format --from --ignorefile --jobs --label --layers --manifest"
        " --network --net --no-cache --os-feature --os-version --progress --pull --rm --secret --ssh --squash"
        " --squash-all --tag -t --target --unsetenv"
        " "
    ),
    "steps": (
        " --allow --cdi-config-dir --compat-volumes --hooks-dir --isolation --mount --runtime --runtime-flag --stdin"
        " --userns --userns-gid-map --userns-gid-map-group --userns-uid-map --userns-uid-map-user "
    ),
    "outcome": (
        " --compress --created-annotation --cw --disable-compression --identity-label --iidfile"
        " --iidfile-raw --inherit-annotations --inherit-labels --layer-label --logfile --logsplit"
        " --metadata-file --omit-history --output --raw-iidfile --rewrite-timestamp --save-stages --sbom"
        " --sbom-image-output --sbom-image-purl-output --sbom-merge-strategy --sbom-output"
        " --sbom-purl-output --sbom-scanner-command --sbom-scanner-image --sign-by --source-date-epoch"
        " --stage-labels --timestamp --unsetannotation --unsetlabel -D -o"
        " "
    ),
    "accepted": (
        " --blob-cache --load --log-rusage --pull-always --pull-never --rusage-logfile --skip-unused-stages"
        " --source-policy-file "
    ),
}
