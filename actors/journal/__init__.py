"""Owns the file tree: which root holds now, its transactions, its past and its archive."""
