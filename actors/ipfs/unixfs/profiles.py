"""UnixFS profiles: every choice that decides which CID the same content gets (IPIP-499)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from ....schemas.cid import CID, DAG_PB, HASHES, IDENTITY, RAW, SHA2_256
from ....schemas.errors import BadRequest, NotSupported
from ....schemas.ipfs import AddRequest
from ....schemas.tree import FileWrite
from ....schemas.varint import encode_varint

__all__ = ["Profile", "PROFILES", "DEFAULT_PROFILE", "profile_asked_for", "profile_named"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How content is cut, hashed, linked and sharded. File layouts are balanced in all of them.

    A directory is sharded when its estimated size is over `shard_above_bytes`: `links-bytes` estimates the
    sum of its names and binary CIDs, `block-bytes` takes the exact size of its block.
    """

    name: str
    cid_version: Literal[0, 1]
    raw_leaves: bool
    chunk_bytes: int
    max_links: int
    size_estimation: Literal["links-bytes", "block-bytes"]
    shard_above_bytes: int = 256 * 1024
    shard_fanout: int = 256
    hash_code: int = SHA2_256

    def leaf_cid(self, block: bytes) -> CID:
        # A raw block has no CID of version 0.
        return self._cid(RAW, 1, block) if self.raw_leaves else self._cid(DAG_PB, self.cid_version, block)

    def node_cid(self, block: bytes) -> CID:
        return self._cid(DAG_PB, self.cid_version, block)

    def _cid(self, codec: int, version: int, block: bytes) -> CID:
        if self.hash_code == SHA2_256:
            return CID.of_digest(codec, sha256(block).digest(), version=version)
        _, size, new = HASHES[self.hash_code]
        assert new is not None
        hasher = new()
        hasher.update(block)
        return CID(version, codec, encode_varint(self.hash_code) + encode_varint(size) + hasher.digest())


V1_2025 = Profile("unixfs-v1-2025", 1, True, 1024 * 1024, 1024, "block-bytes")
V0_2015 = Profile("unixfs-v0-2015", 0, False, 256 * 1024, 174, "links-bytes")

PROFILES = {profile.name: profile for profile in (V1_2025, V0_2015)}
DEFAULT_PROFILE = V1_2025


def profile_named(name: str) -> Profile:
    """The profile of that name; raises BadRequest(field="profile") for any other name."""
    try:
        return PROFILES[name]
    except KeyError:
        raise BadRequest("profile", f"not one of {', '.join(PROFILES)}") from None


def profile_asked_for(ask: AddRequest | FileWrite) -> Profile:
    """The profile that a request names, with what it wants otherwise.

    Raises BadRequest(field="hash") for a hash that there is not or that version 0 cannot have, NotSupported
    for one that cannot be computed here.
    """
    profile = profile_named(ask.profile)
    hash_code = profile.hash_code if ask.hash is None else _hash_code(ask.hash)
    version = ask.cid_version
    if hash_code != SHA2_256:
        if version == 0:
            raise BadRequest("hash", "CIDv0 only supports sha2-256")
        version = 1
    raw_leaves = ask.raw_leaves
    if raw_leaves is None:
        raw_leaves = profile.raw_leaves if version is None else version == 1
    return replace(
        profile,
        cid_version=profile.cid_version if version is None else version,
        raw_leaves=raw_leaves,
        chunk_bytes=ask.chunk_bytes or profile.chunk_bytes,
        max_links=ask.max_links or profile.max_links,
        hash_code=hash_code,
    )


def _hash_code(name: str) -> int:
    for code, (known, _, new) in HASHES.items():
        if known == name:
            if new is None or code == IDENTITY:
                raise NotSupported(f"hash: {name} is not computed here", field="hash", hash=name)
            return code
    raise BadRequest("hash", f"unrecognized hash function: {name}")
