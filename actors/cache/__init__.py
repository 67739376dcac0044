"""The cache actor: the content cache of one node, and the index of what is known about each CID."""
