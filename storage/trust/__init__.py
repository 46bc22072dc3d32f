"""Trust: what decides whether an image may come in (containers-policy.json(5)).

`policy` says what is required of an image by where it comes from, `identity` whose name a signature must bear,
`simple_signing` and `sigstore` check the two kinds of signatures, `lookaside` and `attachments` find them;
`verification` puts it together: one call for each image, before anything of it is read but its manifest.
"""
