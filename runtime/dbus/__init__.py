"""A small D-Bus client: what it takes to ask systemd for control groups. Loaded only for the systemd manager.

    wire.py        values to bytes and back (pure)
    message.py     headers and bodies of messages (pure)
    text.py        a value as people write it: `uint64 5`, `['a', 'b']` (pure)
    connection.py  the socket: authentication, calls, signals
    errors.py      what can go wrong

Source: the D-Bus specification 0.43, https://dbus.freedesktop.org/doc/dbus-specification.html
"""
