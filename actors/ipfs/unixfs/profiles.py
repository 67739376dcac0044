"""UnixFS profiles: every choice that decides which CID the same content gets (IPIP-499)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ....schemas.errors import BadRequest

__all__ = ["Profile", "PROFILES", "DEFAULT_PROFILE", "profile_named"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How content is cut, linked and sharded. Hashes are SHA2-256 and file layouts balanced in all of them.

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
