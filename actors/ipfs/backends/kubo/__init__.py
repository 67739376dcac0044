"""A Kubo daemon as a back end: every row that Kubo has a command for, a file per kind of row."""
