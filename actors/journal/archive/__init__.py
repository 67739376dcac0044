"""The journal on disk: entries in segments, checkpoints as CARs; enough to bring the tree back from."""
