"""Blocks and nodes as requests bring them: gathered within their limits, checked, and named by their CIDs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ....schemas import dag, ipfs
from ....schemas.cid import CID, CODECS
from ....schemas.errors import BadRequest, InvalidContent, TooLarge
from ..codecs import dagjson
from ..codecs.registry import DAG_JSON, codec_named, decode, encode

__all__ = ["given_block", "given_node"]

# Nodes smaller than this are read and written on the event loop: a thread would take longer to wake.
INLINE_BYTES = 64 * 1024
# `format` as the documented endpoint has it; other names are multicodec's.
FORMATS = {"json": "dag-json", "cbor": "dag-cbor"}


async def given_block(ask: ipfs.BlockPut, content: AsyncIterator[bytes]) -> tuple[CID, bytes]:
    """The block that a request brings, and its CID.

    Raises TooLarge, BadRequest for an unknown codec or hash, and InvalidContent if the block is not the one
    that `ask.cid` names.
    """
    block = await _gathered(content, "data", ipfs.MAX_BLOCK_BYTES)
    if ask.cid is not None:
        cid = CID.parse(ask.cid)
        if not cid.matches(block):
            raise InvalidContent("data", "is not the block that the CID names", cid=str(cid))
        return cid, block
    if ask.format not in CODECS:
        raise BadRequest("format", f"{ask.format!r} is not one of {', '.join(CODECS)}")
    return CID.of(CODECS[ask.format], block, hash_name=ask.hash), block


async def given_node(ask: dag.DagPut, content: AsyncIterator[bytes]) -> tuple[CID, bytes]:
    """The node that a request brings, as the block it makes, and its CID.

    Raises TooLarge, InvalidContent for a node that breaks its codec, BadRequest for one that the stored codec
    cannot hold and for an unknown codec or hash.
    """
    codec = codec_named(ask.codec or FORMATS.get(ask.format, ask.format), "codec" if ask.codec else "format")
    given = codec_named(ask.given_codec, "input_codec")
    node = await _gathered(content, "node", dag.MAX_NODE_BYTES)
    if len(node) < INLINE_BYTES:
        block = _converted(node, given, codec)
    else:
        block = await asyncio.to_thread(_converted, node, given, codec)
    return CID.of(codec, block, hash_name=ask.hash), block


async def _gathered(content: AsyncIterator[bytes], field: str, limit_bytes: int) -> bytes:
    whole = bytearray()
    async for piece in content:
        whole += piece
        if len(whole) > limit_bytes:
            raise TooLarge(field, limit=limit_bytes)
    return bytes(whole)


def _converted(node: bytes, given: int, codec: int) -> bytes:
    """The node in the codec that it is to be stored in; one that is in it already is checked all the same."""
    if given == DAG_JSON:  # as people write it: any order, any spaces
        return encode(codec, dagjson.decode(node, limit_bytes=dag.MAX_NODE_BYTES))
    value = decode(given, node)
    if given != codec:
        return encode(codec, value)
    if len(node) > ipfs.MAX_BLOCK_BYTES:
        raise TooLarge("node", limit=ipfs.MAX_BLOCK_BYTES)
    return node
