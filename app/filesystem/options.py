"""Which system a file system is of: the storage options that say so, and what the environment adds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cidbus.data_dir import DEFAULT_DATA_DIR, DataDir

__all__ = ["Options"]

# As the command line names them.
URL, SEED, DATA_DIR = "CIDBUS_URL", "CIDBUS_SEED", "CIDBUS_DATA_DIR"


@dataclass(frozen=True)
class Options:
    """How a system is reached; file systems with the same options share a connection."""

    url: str | None = None
    seed: str | None = None
    data_dir: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        endpoint: str | None,
        nats: str | None,
        seed: str | Path | None,
        data_dir: str | Path | None,
        headers: Mapping[str, str] | None,
        token: str | None,
    ) -> Self:
        """The options as they are given, and where they say nothing, what the environment says.

        Raises ValueError for options that contradict each other.
        """
        if endpoint is not None and nats is not None:
            raise ValueError("give `url` or `nats`, not both")
        if nats is not None and (headers or token):
            raise ValueError("`headers` and `token` are for HTTP; `seed` is the credential for NATS")
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        folder = data_dir or os.environ.get(DATA_DIR)
        address = nats or endpoint or (None if data_dir else os.environ.get(URL))
        return cls(
            address,
            _seed(seed, address, folder),
            None if folder is None else str(folder),
            tuple(sent.items()),
        )


def _seed(seed: str | Path | None, address: str | None, folder: str | Path | None) -> str | None:
    """The seed that is given, or for an address alone that of the data directory, if it has one."""
    given = seed or os.environ.get(SEED)
    if given is None and address is not None:
        given = DataDir(Path(folder or DEFAULT_DATA_DIR)).client_seed
    return None if given is None else str(given)
