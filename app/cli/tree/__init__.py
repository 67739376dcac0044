"""The file tree on the command line: `cidbus fs …`."""
