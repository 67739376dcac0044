"""What is said to the ipfs actor about IPNS: keys, the names that they make, and records."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .ipfs import Answer, Ask, UnixTime
from .wire import Reply

__all__ = [
    "Key",
    "KeyGen",
    "KeyList",
    "KeyRemove",
    "KeyRename",
    "KeyRenamed",
    "NameChanged",
    "NameGet",
    "NameInspect",
    "NameInspected",
    "NamePublish",
    "NamePublished",
    "NamePut",
    "NameRecord",
    "NameResolve",
    "NameResolved",
]

MAX_RECORD_BYTES = 10 * 1024
# 100 years: longer lifetimes would not fit the nanoseconds that a record's ttl is counted in.
MAX_SECONDS = 100 * 365 * 86400

KeyName = Annotated[str, Field(min_length=1, max_length=128, examples=["blog"])]
NameText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        description="An IPNS name: a peer ID, its CID, or a DNSLink domain; `/ipns/…` may come before it",
    ),
]
ContentText = Annotated[
    str, Field(min_length=1, max_length=4200, description="`/ipfs/<cid>/…`, `/ipns/<name>/…` or a CID")
]
Duration = Annotated[
    float | str,
    Field(description="Seconds, or text such as `24h`, `90m`, `1h30m`", examples=["24h"]),
]


class KeyGen(Ask):
    name: KeyName
    type: Literal["ed25519", "rsa"] = "ed25519"
    size: Annotated[int | None, Field(ge=2048, le=4096, description="Bits of an RSA key")] = None


class Key(Answer):
    """A key of the node, without its secret: `id` is the name that it makes, `peer_id` its older form."""

    name: str
    id: str
    peer_id: str
    type: str


class KeyList(Ask):
    """Nothing to say: every key, `self` first."""


class KeyRename(Ask):
    name: KeyName
    new_name: KeyName
    force: Annotated[bool, Field(description="Replace a key that has the new name")] = False


class KeyRenamed(Answer):
    was: str
    now: str
    id: str
    overwritten: bool


class KeyRemove(Ask):
    name: KeyName


class NamePublish(Ask):
    """Point the name of a key at a path."""

    path: ContentText
    key: Annotated[str, Field(min_length=1, max_length=128, description="A key's name or its ID")] = "self"
    lifetime: Duration = "48h"
    ttl: Duration = "5m"
    sequence: Annotated[int | None, Field(ge=0, description="Above the last one; by default the next")] = None
    resolve: Annotated[bool, Field(description="Refuse a path that does not lead anywhere")] = True
    allow_offline: Annotated[bool, Field(description="Not an error if nobody else could be told")] = True


class NamePublished(Answer):
    """`published_to` has the places that took the record besides this node; `failed` those that did not."""

    name: str
    value: str
    sequence: int
    expires_at: UnixTime
    ttl_s: float
    published_to: list[str]
    failed: dict[str, str] = Field(default_factory=dict)


class NameResolve(Ask):
    """`recursive` follows names that lead to names; `nocache` asks others even if a record is at hand."""

    name: NameText
    recursive: bool = True
    nocache: bool = False


class NameResolved(Answer):
    """`path` is what the name leads to. `expires_at` and `sequence` are missing for a DNSLink."""

    name: str
    path: str
    ttl_s: float | None = None
    sequence: int | None = None
    expires_at: UnixTime | None = None


class NameGet(Ask):
    name: NameText
    cluster_only: Annotated[bool, Field(description="Ask nobody outside the cluster")] = False


class NameRecord(Answer):
    name: str
    record: Annotated[bytes, Field(description="The signed record (protobuf), in base64")]
    ttl_s: float
    expires_at: UnixTime


class NamePut(Ask):
    """A record that somebody else signed; kept if it is valid and better than the one at hand."""

    name: NameText
    record: Annotated[bytes, Field(max_length=MAX_RECORD_BYTES, description="In base64")]


class NameInspect(Ask):
    """A record to read; with `name` it is also checked against that name's key."""

    record: Annotated[bytes, Field(max_length=MAX_RECORD_BYTES, description="In base64")]
    name: NameText | None = None


class NameInspected(Answer):
    """`valid` is missing if no name was given to check against; `problem` says what is wrong."""

    value: str
    sequence: int
    expires_at: UnixTime
    validity: Annotated[str, Field(description="RFC 3339, nanoseconds")]
    ttl_s: float
    has_v1: bool
    public_key: Annotated[str | None, Field(description="Peer ID of the key inside the record")] = None
    valid: bool | None = None
    problem: str | None = None


class NameChanged(Reply):
    """A name points somewhere new; `record` lets other nodes keep it."""

    name: str
    path: str
    sequence: int
    record: bytes
    at: UnixTime
