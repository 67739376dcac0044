"""UnixFS: files and directories as DAGs of DAG-PB blocks, written and read."""
