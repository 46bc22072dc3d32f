"""The examples of `--help`, by the command's path (podman's own, where it has some)."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "attach": (
        "pod attach ctrID",
        "pod attach 1234",
        "pod attach --no-stdin foobar",
    ),
    "auto-update": (
        "pod auto-update",
        "pod auto-update --dry-run",
        "pod auto-update --authfile ~/authfile.json",
    ),
    "commit": (
        'pod commit -q --message "committing container to image" reverent_golick image-committed',
        'pod commit -q --author "firstName lastName" reverent_golick image-committed',
        "pod commit -q --pause=false containerID image-committed",
        "pod commit containerID",
    ),
    "completion": (
        "pod completion bash",
        "pod completion zsh -f _pod",
        "pod completion fish --no-desc",
    ),
    "container checkpoint": (
        "pod container checkpoint --keep ctrID",
        "pod container checkpoint --all",
        "pod container checkpoint --leave-running --latest",
    ),
    "container cleanup": (
        "pod container cleanup --latest",
        "pod container cleanup ctrID1 ctrID2 ctrID3",
        "pod container cleanup --all",
    ),
    "container clone": ("pod container clone container_name new_name image_name",),
    "container exists": (
        "pod container exists --external containerID",
        "pod container exists myctr || pod run --name myctr [etc...]",
    ),
    "container list": (
        "pod container list -a",
        'pod container list -a --format "{{.ID}}  {{.Image}}  {{.Labels}}  {{.Mounts}}"',
        "pod container list --size --sort names",
    ),
    "container prune": ("pod container prune",),
    "container restore": (
        "pod container restore ctrID",
        "pod container restore imageID",
        "pod container restore --latest",
        "pod container restore --all",
    ),
    "cp": ("pod cp [options] [CONTAINER:]SRC_PATH [CONTAINER:]DEST_PATH",),
    "create": (
        "pod create alpine ls",
        "pod create --annotation HELLO=WORLD alpine ls",
        "pod create -t -i --name myctr alpine ls",
    ),
    "diff": (
        "pod diff imageID",
        "pod diff ctrID",
        "pod diff --format json redis:alpine",
    ),
    "doctor": (
        "pod doctor",
        "pod doctor --format json",
    ),
    "events": (
        "pod events",
        "pod events --filter event=create",
        "pod events --format {{.Image}}",
        "pod events --since 1h30s",
    ),
    "exec": (
        "pod exec -it ctrID ls",
        "pod exec -it -w /tmp myCtr pwd",
        "pod exec --user root ctrID ls",
    ),
    "export": (
        "pod export ctrID > myCtr.tar",
        'pod export --output="myCtr.tar" ctrID',
    ),
    "generate spec": ("pod generate spec ctrID",),
    "generate systemd": (
        "pod generate systemd ctrID",
        "pod generate systemd --new --time 10 ctrID",
        "pod generate systemd --files --name podID",
    ),
    "healthcheck run": ("pod healthcheck run mywebapp",),
    "history": ("pod history quay.io/fedora/fedora",),
    "image diff": (
        "pod image diff myImage",
        "pod image diff --format json redis:alpine",
    ),
    "image exists": (
        "pod image exists ID",
        "pod image exists IMAGE && pod pull IMAGE",
    ),
    "image history": ("pod image history quay.io/fedora/fedora",),
    "image import": (
        "pod image import https://example.com/ctr.tar url-image",
        'cat ctr.tar | pod -q image import --message "importing the ctr.tar tarball" - image-imported',
        "cat ctr.tar | pod image import -",
    ),
    "image inspect": (
        "pod image inspect alpine",
        'pod image inspect --format "imageId: {{.Id}} size: {{.Size}}" alpine',
        'pod image inspect --format "image: {{.ImageName}} driver: {{.Driver}}" myctr',
    ),
    "image list": (
        "pod image list --format json",
        'pod image list --sort repository --format "table {{.ID}} {{.Repository}} {{.Tag}}"',
        "pod image list --filter dangling=true",
    ),
    "image load": ("pod image load -i myimage.tar",),
    "image mount": (
        "pod image mount imgID",
        "pod image mount imgID1 imgID2 imgID3",
        "pod image mount --all",
    ),
    "image prune": ("pod image prune",),
    "image pull": (
        "pod image pull imageName",
        "pod image pull fedora:latest",
    ),
    "image push": ("pod image push imageID docker://registry.example.com/repository:tag",),
    "image rm": (
        "pod image rm imageID",
        "pod image rm --force alpine",
        "pod image rm c4dfb1609ee2 93fd78260bd1 c0ed59d05ff7",
    ),
    "image save": ("pod image save -o myimage.tar imageID",),
    "image scp": (
        "pod image scp myimage:latest otherhost::",
        "pod image scp alice@otherhost::myimage",
        "sudo pod image scp root@localhost::myimage alice@localhost::",
    ),
    "image search": ("pod image search --limit 3 quay.io/fedora",),
    "image sign": (
        "pod image sign --sign-by mykey imageID",
        "pod image sign --sign-by mykey --directory ./mykeydir imageID",
    ),
    "image tag": (
        "pod image tag 0e3bbc2 fedora:latest",
        "pod image tag imageID:latest myNewImage:newTag",
        "pod image tag httpd myregistryhost:5000/fedora/httpd:v2",
    ),
    "image tree": ("pod image tree alpine:latest",),
    "image trust set": (
        "pod image trust set -f /etc/pki/mykey.gpg registry.example.com",
        "pod image trust set --type reject default",
    ),
    "image trust show": (
        "pod image trust show",
        "pod image trust show --raw",
    ),
    "image unmount": (
        "pod image unmount imgID",
        "pod image unmount --all",
    ),
    "image untag": (
        "pod image untag 0e3bbc2",
        "pod image untag imageID:latest otherImageName:latest",
        "pod image untag httpd myregistryhost:5000/fedora/httpd:v2",
    ),
    "images": (
        "pod images --format json",
        'pod images --sort repository --format "table {{.ID}} {{.Repository}} {{.Tag}}"',
        "pod images --filter dangling=true",
    ),
    "import": (
        "pod import https://example.com/ctr.tar url-image",
        'cat ctr.tar | pod -q import --message "importing the ctr.tar tarball" - image-imported',
        "cat ctr.tar | pod import -",
    ),
    "info": ("pod info",),
    "init": (
        "pod init --latest",
        "pod init 3c45ef19d893",
        "pod init test1",
    ),
    "inspect": (
        "pod inspect fedora",
        "pod inspect --type image fedora",
        "pod inspect CtrID ImgID",
        'pod inspect --format "imageId: {{.Id}} size: {{.Size}}" fedora',
    ),
    "kill": (
        "pod kill mywebserver",
        "pod kill 860a4b23",
        "pod kill --signal TERM ctrID",
    ),
    "load": (
        "pod load -i myimage.tar",
        "pod load < myimage.tar.gz",
    ),
    "login": (
        "pod login quay.io",
        "pod login --username ... --password ... quay.io",
        "pod login --authfile dir/auth.json quay.io",
        "pod login --verify quay.io",
    ),
    "logout": (
        "pod logout quay.io",
        "pod logout --authfile dir/auth.json quay.io",
        "pod logout --all",
    ),
    "logs": (
        "pod logs ctrID",
        "pod logs --names ctrID1 ctrID2",
        "pod logs --tail 2 mywebserver",
        "pod logs --follow=true --since 10m ctrID",
        "pod logs mywebserver mydbserver",
    ),
    "manifest add": (
        "pod manifest add mylist:v1.11 image:v1.11-amd64",
        "pod manifest add --all mylist:v1.11 transport:imageName",
    ),
    "manifest annotate": ("pod manifest annotate --annotation left=right mylist:v1.11 sha256:15352d97781f…",),
    "manifest create": (
        "pod manifest create mylist:v1.11",
        "pod manifest create mylist:v1.11 arch-specific-image-to-add",
    ),
    "manifest exists": ("pod manifest exists mylist || pod manifest create mylist",),
    "manifest inspect": ("pod manifest inspect localhost/list",),
    "manifest push": ("pod manifest push mylist:v1.11 docker://quay.io/myuser/image:v1.11",),
    "manifest remove": ("pod manifest remove mylist:v1.11 sha256:15352d97781f…",),
    "manifest rm": ("pod manifest rm mylist:v1.11",),
    "network connect": (
        "pod network connect backend web",
        "pod network connect --alias db --ip 10.89.7.9 backend postgres",
    ),
    "network create": (
        "pod network create",
        "pod network create --subnet 10.89.7.0/24 --gateway 10.89.7.1 backend",
        "pod network create --ipv6 --internal --label tier=db --opt mtu=1400 private",
    ),
    "network disconnect": ("pod network disconnect backend web",),
    "network exists": ("pod network exists backend || pod network create backend",),
    "network inspect": (
        "pod network inspect podman",
        "pod network inspect --format '{{range .Subnets}}{{.Subnet}} {{end}}' backend",
    ),
    "network ls": (
        "pod network ls",
        "pod network ls --filter label=tier=db --format '{{.Name}} {{.Driver}}'",
    ),
    "network prune": ("pod network prune",),
    "network rm": (
        "pod network rm backend",
        "pod network rm --force backend private",
    ),
    "network update": ("pod network update --dns-add 9.9.9.9 --dns-drop 1.1.1.1 backend",),
    "pause": (
        "pod pause mywebserver",
        "pod pause 860a4b23",
        "pod pause --all",
    ),
    "pod clone": (
        "pod pod clone web web2",
        "pod pod clone --memory 1g --destroy --start web web2",
    ),
    "pod create": (
        "pod pod create --name web --publish 8080:80",
        "pod pod create --share ipc,net,uts,pid --memory 512m --label tier=front web",
        "pod run -d --pod new:web nginx",
    ),
    "pod exists": ("pod pod exists web || pod pod create web",),
    "pod inspect": (
        "pod pod inspect web",
        "pod pod inspect --format '{{.State}}' web",
    ),
    "pod kill": ("pod pod kill --signal HUP web",),
    "pod logs": (
        "pod pod logs --names --follow web",
        "pod pod logs --container server --since 10m web",
    ),
    "pod pause": ("pod pod pause web",),
    "pod prune": ("pod pod prune --force",),
    "pod ps": (
        "pod pod ps",
        "pod pod ps --ctr-names --ctr-status --filter status=degraded",
    ),
    "pod restart": ("pod pod restart web",),
    "pod rm": (
        "pod pod rm web",
        "pod pod rm --force --time 2 --all",
    ),
    "pod start": ("pod pod start web",),
    "pod stats": (
        "pod pod stats",
        "pod pod stats --no-stream --format json web",
    ),
    "pod stop": ("pod pod stop --time 2 web",),
    "pod top": ("pod pod top web pid,seccomp,args",),
    "pod unpause": ("pod pod unpause --all",),
    "port": (
        "pod port --all",
        "pod port ctrID 80/tcp",
        "pod port --latest 80",
    ),
    "ps": (
        "pod ps -a",
        'pod ps -a --format "{{.ID}}  {{.Image}}  {{.Labels}}  {{.Mounts}}"',
        "pod ps --size --sort names",
    ),
    "pull": (
        "pod pull imageName",
        "pod pull fedora:latest",
    ),
    "push": (
        "pod push imageID docker://registry.example.com/repository:tag",
        "pod push imageID oci-archive:/path/to/layout:image:tag",
    ),
    "quadlet install": (
        "pod quadlet install /path/to/myquadlet.container",
        "pod quadlet install --replace /path/to/myapplication/",
        "pod quadlet install https://example.com/web.quadlets",
    ),
    "quadlet lint": (
        "pod quadlet lint",
        "pod quadlet lint web.container db.volume",
        "pod quadlet lint /path/to/myapplication/",
    ),
    "quadlet list": (
        "pod quadlet list",
        "pod quadlet list --format '{{ .UnitName }}'",
        "pod quadlet list --filter 'name=test*'",
    ),
    "quadlet print": (
        "pod quadlet print myquadlet.container",
        "pod quadlet print mypod.pod",
    ),
    "quadlet rm": (
        "pod quadlet rm test.container",
        "pod quadlet rm --force mysql.container",
        "pod quadlet rm --all --reload-systemd=false",
    ),
    "rename": ("pod rename containerA newName",),
    "restart": (
        "pod restart ctrID",
        "pod restart --latest",
        "pod restart ctrID1 ctrID2",
    ),
    "rm": (
        "pod rm imageID",
        "pod rm mywebserver myflaskserver 860a4b23",
        "pod rm --force --all",
        "pod rm -f c684f0d469f2",
    ),
    "rmi": (
        "pod rmi imageID",
        "pod rmi --force alpine",
        "pod rmi c4dfb1609ee2 93fd78260bd1 c0ed59d05ff7",
    ),
    "run": (
        "pod run imageID ls -alF /etc",
        "pod run --network=host imageID dnf -y install java",
        "pod run -d --network backend --network-alias db -p 127.0.0.1:5432:5432 postgres",
        "pod run --volume /var/hostdir:/var/ctrdir -i -t fedora /bin/bash",
    ),
    "save": (
        "pod save --quiet -o myimage.tar imageID",
        "pod save --format docker-dir -o ubuntu-dir ubuntu",
        "pod save alpine:latest > alpine-all.tar",
    ),
    "search": (
        "pod search --filter=is-official --limit 3 alpine",
        "pod search registry.fedoraproject.org/",
        'pod search --format "table {{.Index}} {{.Name}}" registry.fedoraproject.org/fedora',
    ),
    "secret create": ("pod secret create mysecret /path/to/secret",),
    "secret inspect": ("pod secret inspect MYSECRET",),
    "secret ls": ("pod secret ls",),
    "secret rm": ("pod secret rm mysecret1 mysecret2",),
    "start": (
        "pod start --latest",
        "pod start 860a4b231279 5421ab43b45",
        "pod start --interactive --attach imageID",
    ),
    "stats": (
        "pod stats --all --no-stream",
        "pod stats ctrID",
        'pod stats --no-stream --format "table {{.ID}} {{.Name}} {{.MemUsage}}" ctrID',
    ),
    "stop": (
        "pod stop ctrID",
        "pod stop --latest",
        "pod stop --time 2 mywebserver 6e534f14da9d",
    ),
    "system check": (
        "pod system check --quick",
        "pod system check --repair",
    ),
    "system info": ("pod system info",),
    "system prune": ("pod system prune",),
    "tag": (
        "pod tag 0e3bbc2 fedora:latest",
        "pod tag imageID:latest myNewImage:newTag",
        "pod tag httpd myregistryhost:5000/fedora/httpd:v2",
    ),
    "top": ("pod top ctrID",),
    "unmount": (
        "pod unmount ctrID",
        "pod unmount ctrID1 ctrID2 ctrID3",
        "pod unmount --all",
    ),
    "unpause": (
        "pod unpause ctrID",
        "pod unpause --all",
    ),
    "unshare": (
        "pod unshare id",
        "pod unshare cat /proc/self/uid_map,",
        "pod unshare pod-script.sh",
    ),
    "untag": (
        "pod untag 0e3bbc2",
        "pod untag imageID:latest otherImageName:latest",
        "pod untag httpd myregistryhost:5000/fedora/httpd:v2",
    ),
    "update": ("pod update --cpus=5 foobar_container",),
    "volume create": (
        "pod volume create myvol",
        "pod volume create",
        "pod volume create --label foo=bar myvol",
    ),
    "volume exists": ("pod volume exists myvol",),
    "volume import": (
        "pod volume import my_vol /home/user/import.tar",
        "cat ctr.tar | pod import volume my_vol -",
    ),
    "volume inspect": (
        "pod volume inspect myvol",
        "pod volume inspect --all",
        'pod volume inspect --format "{{.Driver}} {{.Scope}}" myvol',
    ),
    "volume mount": ("pod volume mount myvol",),
    "volume rm": (
        "pod volume rm myvol1 myvol2",
        "pod volume rm --all",
        "pod volume rm --force myvol",
    ),
    "volume unmount": ("pod volume unmount myvol",),
    "wait": (
        "pod wait --interval 5s ctrID",
        "pod wait ctrID1 ctrID2",
    ),
}
