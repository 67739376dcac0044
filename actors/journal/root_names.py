"""Names under which the ipfs actor keeps the journal's trees from collection."""

from __future__ import annotations

__all__ = [
    "COMMITS",
    "TRANSACTIONS",
    "checkpoint_root",
    "commit_root",
    "transaction_root",
]

COMMITS = "fs/"
TRANSACTIONS = "fs/tx/"


def commit_root(commit_id: str) -> str:
    """Of the tree of an entry, for as long as the stream has it."""
    return COMMITS + commit_id


def checkpoint_root(sequence: int) -> str:
    """Of the tree of a checkpoint: the next one builds on it."""
    return f"fs-checkpoint/{sequence}"


def transaction_root(transaction: str) -> str:
    """Of the tree that an open transaction works on; it expires."""
    return TRANSACTIONS + transaction
