"""The embedded node: every row answered from the block store of this node, a file per kind of row."""
