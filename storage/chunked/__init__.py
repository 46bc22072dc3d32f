"""zstd:chunked: a compressed layer that ends with a table of its files, so that a pull can fetch some of them alone.

The blob is an ordinary zstd stream, in which the contents of each file are frames of their own; in skippable frames at
its end are a table of contents (TOC: names, digests, places) and a tar-split (all bytes of the tar but the contents).
Annotations of the layer's descriptor say where. `placement` reads them, `toc` the table, `tarsplit` the rest of the
tar; `partial` makes the tar from what the store has and what is fetched; `known` remembers the files of a layer;
`writer` makes such blobs. As containers/storage has it (pkg/chunked, docs/containers-storage-zstd-chunked.md).
"""
