"""What is said to the ipfs actor about DAGs: nodes in the IPLD data model, paths through them, CAR files."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from .ipfs import MAX_BLOCK_BYTES, Answer, Ask, HashName, SizeBytes
from .wire import CidText, PathText, Reply

__all__ = [
    "MAX_NODE_BYTES",
    "CarHead",
    "DagExport",
    "DagGet",
    "DagHead",
    "DagImport",
    "DagImported",
    "DagPath",
    "DagPut",
    "DagPutReply",
    "DagRootStat",
    "DagStat",
    "DagStatRequest",
    "ImportedRoot",
    "LocalRef",
    "LocalRefs",
    "Ref",
    "Refs",
    "Resolved",
]

# A node is sent in its own codec or as JSON, which is at most about twice as long as the block it makes.
MAX_NODE_BYTES = 2 * MAX_BLOCK_BYTES

CodecName = Annotated[
    str, Field(max_length=32, description="Multicodec name: dag-cbor, dag-json, dag-pb, json, cbor, raw")
]
Pathing = Literal["auto", "dag"]
Scope = Literal["block", "entity", "all"]
Order = Literal["dfs", "unk"]


class DagPut(Ask):
    """A node to store: `object` (JSON, links as `{"/": cid}`) inside the request, else a stream that follows.

    A stream is read as `input_codec`. `format` is the codec that the node is stored in: `json` and `cbor`
    there mean dag-json and dag-cbor, which have links; `codec` is an exact multicodec name and wins.
    """

    object: Annotated[
        Any, Field(validation_alias=AliasChoices("object", "obj"), description="The node; `obj` is the same")
    ] = None
    data: Annotated[bytes | None, Field(description="The node in `input_codec`, in base64")] = None
    format: CodecName = "json"
    codec: CodecName | None = None
    input_codec: CodecName = "dag-json"
    hash: HashName = "sha2-256"
    pin: bool = True

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if "object" in self.model_fields_set and self.data is not None:
            raise ValueError("give `object` or `data`, not both")
        return self

    @property
    def inline(self) -> bytes | None:
        """The node that travels inside the request, as dag-json or in its codec; None if a stream follows."""
        if "object" in self.model_fields_set:
            return json.dumps(self.object, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return self.data

    def to_wire(self) -> bytes:
        """As any body, but a node that is null is a node and is not left out."""
        null = "object" in self.model_fields_set and self.object is None
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True) if null else super().to_wire()

    @property
    def given_codec(self) -> str:
        """What the node comes in: an `object` is always dag-json."""
        return "dag-json" if "object" in self.model_fields_set else self.input_codec


class DagPutReply(Answer):
    cid: str
    format: str
    pin: bool
    size_bytes: SizeBytes


class DagGet(Ask):
    """A node, or what lies at a path in it, in the codec that `output_codec` names (`raw` for the block's
    own bytes, which no path may go into)."""

    cid: CidText
    path: PathText = ""
    output_codec: CodecName = "dag-json"


class DagHead(Answer):
    """What comes before a node's bytes: the block that the path ends in, and what of the path was in it."""

    cid: str
    codec: Annotated[str, Field(description="Of the bytes that follow")]
    remainder: Annotated[str, Field(description="The part of the path inside the block")] = ""
    size_bytes: SizeBytes


class DagPath(Ask):
    """A path to follow. `pathing` `auto` reads names through UnixFS directories, `dag` through bare nodes."""

    cid: CidText
    path: PathText = ""
    pathing: Pathing = "auto"


class Resolved(Answer):
    """Where a path ends: in which block, and at what path inside it.

    `roots` has the CID that each name of the path led to, the path's own root first (a sharded directory is
    one step, however many blocks it takes).
    """

    cid: str
    path: str
    remainder_path: str = ""
    codec: str
    roots: list[str]


class DagStatRequest(Ask):
    cids: Annotated[list[CidText], Field(min_length=1, max_length=100)]


class DagRootStat(Reply):
    cid: str
    size_bytes: SizeBytes
    blocks: SizeBytes


class DagStat(Answer):
    """What lies below each root; `unique_` counts a block that several roots reach once."""

    roots: list[DagRootStat]
    unique_blocks: SizeBytes
    unique_size_bytes: SizeBytes
    total_size_bytes: Annotated[int, Field(ge=0, description="The sizes of all roots added up")]


class DagImport(Ask):
    """A CAR file (version 1 or 2), as the stream that follows or in `data` (base64)."""

    data: Annotated[bytes | None, Field(description="The CAR, in base64")] = None
    pin_roots: bool = True

    @property
    def inline(self) -> bytes | None:
        """The CAR that travels inside the request, or None if a stream follows."""
        return self.data


class ImportedRoot(Reply):
    cid: str
    pinned: bool
    error: Annotated[str | None, Field(description="Why it was not pinned")] = None


class DagImported(Answer):
    """What a CAR held. `roots` has the first 1,000 of its roots."""

    roots: list[ImportedRoot]
    blocks: SizeBytes
    size_bytes: SizeBytes


class DagExport(Ask):
    """A DAG as a CAR file, by the terms of the trustless gateway.

    `scope` says how much below the path: its block, the entity (a file, or a directory without its
    entries' contents), or everything; `entity_bytes`, such as `0:1023` or `-1024:*`, implies `entity`.
    """

    cid: CidText
    path: PathText = ""
    scope: Scope = "all"
    entity_bytes: Annotated[str | None, Field(pattern=r"^-?\d{1,19}:(\*|-?\d{1,19})$")] = None
    order: Order = "dfs"
    dups: Annotated[bool, Field(description="Write a block again each time the walk reaches it")] = False


class CarHead(Answer):
    """What comes before a CAR's bytes: its root, and the CIDs along the path to what it holds."""

    cid: Annotated[str, Field(description="The block that the path ends in")]
    roots: list[str]


class Refs(Ask):
    """The links of a DAG; with `recursive` down to `max_depth` (-1: all the way)."""

    cid: CidText
    path: PathText = ""
    recursive: bool = False
    unique: bool = False
    max_depth: Annotated[int, Field(ge=-1)] = -1


class Ref(Answer):
    source: str
    cid: str
    name: str = ""


class LocalRefs(Ask):
    """Nothing to say: every block that is stored here."""


class LocalRef(Answer):
    cid: str
    size_bytes: SizeBytes | None = None
