"""Block codecs: bytes to the IPLD data model and back, and the links inside."""
