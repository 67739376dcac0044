"""Content identifiers, under the name that the engine's modules know them by: see schemas/cid.py."""

from ...schemas.cid import (
    CID,
    CODEC_NAMES,
    CODECS,
    DAG_PB,
    HASH_CODES,
    HASHES,
    IDENTITY,
    RAW,
    SHA2_256,
    base58_encode,
)

__all__ = [
    "CID", "CODECS", "CODEC_NAMES", "DAG_PB", "HASHES", "HASH_CODES", "RAW", "IDENTITY", "SHA2_256",
    "base58_encode",
]  # fmt: skip
