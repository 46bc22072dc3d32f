# Archives with owners, modes, links of both kinds, and one that is none.
mkdir -p in/side directory
echo text > in/side/file
ln in/side/file in/side/hard
ln -s side/file in/symbolic
mkfifo in/fifo
chmod 4750 in/side/file
chmod 1777 in/side
touch -d @1500000000 in/side/file in/side in
tar --owner=31 --group=32 --numeric-owner --sort=name -cf plain.tar -C in .
for kind in gz bz2 xz; do
    mkdir $kind
    echo $kind > $kind/$kind
    tar --owner=0 --group=0 --numeric-owner -caf packed.tar.$kind $kind
done
echo 'no archive' > not.tar.gz
echo 'a text' | gzip -n > text.gz
cp plain.tar directory/kept.tar
rm -r in gz bz2 xz
