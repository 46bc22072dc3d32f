# What git does not keep.
chmod 755 tree/executable
chmod 604 tree/secret
chmod 2705 tree/deep
ln -s nowhere tree/dangling
mkdir tree/links
ln -s ../deep/er tree/links/to-directory
ln -s ../a tree/links/to-file
ln tree/a tree/hard
mkfifo tree/fifo
