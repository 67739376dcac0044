"""Varints, under the name that the engine's modules know them by: see schemas/varint.py."""

from ...schemas.varint import MAX_VARINT_BYTES, VarintError, encode_varint, read_varint

__all__ = ["MAX_VARINT_BYTES", "VarintError", "encode_varint", "read_varint"]
