/server echo VERSION; /server id -u; /server ls -d /tmp
