"""CAR files: reading, importing and writing DAGs as one stream of blocks."""
