"""Quadlet: files that say what a container, pod, network … is, and the systemd services that they become.

Texts in, texts out, but for reading.py and generator.py, which know of directories and of /dev/kmsg:

    directories.py   where files are looked for           unitfile.py   the text of a unit file, read and written
    reading.py       files found and read                 quoting.py    values split into words, words quoted
    dropins.py       which drop-ins a file has            bundles.py    several files in one (.quadlets)
    units.py         one file, looked up by its keys      kinds/        a module for each kind, and the table of keys
    references.py    files that name others               options.py    keys that several kinds have
    command.py       a command line of pod's              services.py   what several kinds put into services
    converting.py    files become services                install.py    [Install] as symbolic links
    checking.py      keys and sections that there are not, names and orders that exclude each other
    problems.py      what is wrong: file, line, message   generator.py  what systemd calls

What `pod quadlet` does with files that are, or shall be, among them:

    places.py        which directories there are          sources.py    what is to be installed, copied aside
    installing.py    all of it, or nothing                staging.py    a directory that no generator reads
    removing.py      units, or applications               applications.py  what was installed together
    listing.py       what is there, and filters           unit_states.py   what systemd says of services
    linting.py       all that is wrong with files         values.py, value_checks.py  values that cannot be

Source: podman-systemd.unit(5), systemd.syntax(7), systemd.generator(7).
"""
