"""Trees that change: files and directories edited, each into another one, without reading what stays."""
