"""Transports: the places that an image is read from and written to (containers-transports(5)).

`protocols` says what each of them offers; the registry's are in storage/registry, those of files are here. To copy an
image in, storage/transfer.py reads an origin; to copy one out, a destination is written to.
"""
