"""What is said to and by the ipfs actor: content, blocks, pins and the repository."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, computed_field, model_validator

from .wire import CidText, PathText, Reply, Wire

ProfileName = Literal["unixfs-v1-2025", "unixfs-v0-2015"]
EntryType = Literal["file", "directory", "symlink"]
PinMode = Literal["recursive", "direct"]

SizeBytes = Annotated[int, Field(ge=0)]
HashName = Annotated[
    str, Field(max_length=32, description="Multihash name: sha2-256, sha2-512, blake2b-256, blake3, …")
]
UnixTime = Annotated[float, Field(description="Seconds since 1970-01-01 UTC")]
FileName = Annotated[str, Field(max_length=255)]
BackendName = Literal["embedded", "kubo", "gateway", "simulation"]
PinName = Annotated[str, Field(max_length=255)]
RootName = Annotated[
    str,
    Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._/-]+$", description="Name of a named root"),
]
KeepSeconds = Annotated[float, Field(gt=0, le=3.2e9, description="How long the named root keeps it")]

# What fits in one message beside its other fields; more goes as a stream.
MAX_INLINE_CHARS = 512 * 1024
MAX_BLOCK_BYTES = 2 * 1024 * 1024
# Leaves and nodes of files stay well below the size of a block.
MAX_CHUNK_BYTES = 1024 * 1024
MAX_FILE_LINKS = 8192


class Ask(Wire):
    """What every request to the ipfs actor has: which of the configured back ends is to answer it."""

    backend: Annotated[
        BackendName | None, Field(description="Which back end answers; by default the first configured")
    ] = None


class Answer(Reply):
    """What every reply of the ipfs actor has: whether it is made up."""

    simulated: Annotated[
        Literal[True] | None, Field(description="True if the simulation answered: nothing of it is real")
    ] = None


class AddRequest(Ask):
    """Content to store: `content` (text) or `data` (base64) inside the request, else a stream that follows.

    A stream whose `content_type` is `multipart/form-data; boundary=…` is a tree: each part's filename is its
    percent-encoded path; a part of type `application/x-directory` is a directory and one of type
    `application/symlink` is a symbolic link to its body.
    """

    content: Annotated[
        str | None, Field(max_length=MAX_INLINE_CHARS, description="Text to store as UTF-8")
    ] = None
    data: Annotated[bytes | None, Field(description="Bytes to store, in base64")] = None
    filename: FileName | None = None
    content_type: Annotated[str | None, Field(max_length=255)] = None
    profile: ProfileName = "unixfs-v1-2025"
    pin: bool = True
    pin_name: PinName | None = None
    keep: Annotated[RootName | None, Field(description="Keep it under this name, beside any pin")] = None
    keep_s: KeepSeconds | None = None
    wrap: Annotated[bool, Field(description="Put a single file into a directory under its filename")] = False
    only_hash: Annotated[bool, Field(description="Say which CID the content has; store nothing")] = False
    like_kubo: Annotated[
        bool,
        Field(
            description="Read a form as Kubo's clients mean it: every part is content, `+` in a filename is "
            "a space, top entries stay apart (each with a pin of its own), and `entries` has directories too"
        ),
    ] = False

    # What differs from the profile. The names and their consequences are those of Kubo's `ipfs add`.
    cid_version: Annotated[
        Literal[0, 1] | None, Field(description="1 makes leaves raw unless `raw_leaves` says otherwise")
    ] = None
    raw_leaves: bool | None = None
    chunk_bytes: Annotated[int | None, Field(ge=1, le=MAX_CHUNK_BYTES)] = None
    max_links: Annotated[int | None, Field(ge=2, le=MAX_FILE_LINKS, description="Of a file's nodes")] = None
    hash: Annotated[HashName | None, Field(description="Any but sha2-256 needs `cid_version` 1")] = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.content is not None and self.data is not None:
            raise ValueError("give `content` or `data`, not both")
        return self

    @property
    def inline(self) -> bytes | None:
        """The content that travels inside the request, or None if a stream follows."""
        return self.data if self.content is None else self.content.encode()


class AddedEntry(Reply):
    path: str
    cid: str
    type: EntryType = "file"
    size_bytes: SizeBytes
    dag_size_bytes: SizeBytes | None = None


class Added(Answer):
    """The root that was stored, or the last of several. Of a tree, `entries` has the first 1,000 files (with
    `like_kubo` then its directories, each after what is in it); `entry_count` counts all of them."""

    cid: str
    content_size_bytes: SizeBytes
    dag_size_bytes: Annotated[int, Field(ge=0, description="Every block below the root, as linked")]
    profile: ProfileName
    pinned: bool
    filename: str | None = None
    entry_count: int | None = None
    entries: list[AddedEntry] | None = None
    listing: Annotated[
        str | None,
        Field(description="With `like_kubo`: a directory of all that was added, where `entries` has no room"),
    ] = None

    @computed_field(description="The CID again, under its older name")  # type: ignore[prop-decorator]
    @property
    def Hash(self) -> str:
        return self.cid


class CatRequest(Ask):
    """Which bytes of which file; a negative `offset` counts from the end."""

    cid: CidText
    path: PathText = ""
    offset: int = 0
    length: Annotated[int | None, Field(ge=0)] = None


class FileHead(Answer):
    """What comes before the bytes: the file's own CID, its whole size, and the range that follows."""

    cid: str
    size_bytes: SizeBytes
    offset: SizeBytes = 0
    length: SizeBytes


class PathRequest(Ask):
    cid: CidText
    path: PathText = ""


class TarHead(Answer):
    cid: str
    name: str


class DirEntry(Answer):
    name: str
    cid: str
    type: EntryType
    size_bytes: Annotated[int, Field(ge=0, description="A file's size; for a directory, its DAG's")]
    dag_size_bytes: Annotated[
        int | None, Field(ge=0, description="Every block of the entry, as its link claims")
    ] = None


class Stat(Answer):
    cid: str
    type: Literal["file", "directory", "symlink", "block"]
    size_bytes: Annotated[int, Field(ge=0, description="A file's bytes, a link's target, or a block's")]
    dag_size_bytes: SizeBytes
    links: Annotated[int, Field(ge=0, description="Links of the root block")]
    codec: str
    target: Annotated[str | None, Field(description="Where a symbolic link points")] = None


class BlockRequest(Ask):
    cid: CidText


class BlockHead(Answer):
    cid: str
    size_bytes: SizeBytes


class BlockPut(Ask):
    """One block: `data` (base64) inside the request or the stream that follows; refused if `cid` is given
    and does not match."""

    data: Annotated[bytes | None, Field(description="The block, in base64")] = None
    format: Annotated[
        str, Field(max_length=32, description="Codec name: raw, dag-pb, dag-cbor, dag-json, …")
    ] = "raw"
    hash: HashName = "sha2-256"
    cid: CidText | None = None
    pin: bool = False

    @property
    def inline(self) -> bytes | None:
        """The block that travels inside the request, or None if a stream follows."""
        return self.data


class BlockStat(Answer):
    cid: str
    size_bytes: SizeBytes
    format: str


class BlockRemove(Ask):
    cid: CidText
    force: Annotated[bool, Field(description="Not an error if the block is not here")] = False


class BlockRemoved(Answer):
    cid: str
    removed: bool


class PinRequest(Ask):
    """Keep a block, or with `recursive` all below it; asking again changes its name and expiry."""

    cid: CidText
    path: PathText = ""
    recursive: bool = True
    name: PinName | None = None
    expires_in_s: Annotated[float | None, Field(gt=0, le=3.2e9)] = None


class Pinned(Answer):
    cid: str
    pinned: bool
    mode: PinMode | None = None
    name: str | None = None
    expires_at: UnixTime | None = None


class PinRemove(Ask):
    cid: CidText
    path: PathText = ""


class PinList(Ask):
    """Which pins: all, or those of one mode, name or CID. `indirect` tells of every block, beside their own
    roots, that recursive pins keep; it takes no name or CID."""

    type: Literal["all", "recursive", "direct", "indirect"] = "all"
    name: PinName | None = None
    cid: CidText | None = None


class Pin(Answer):
    cid: str
    mode: PinMode | Literal["indirect"]
    name: str | None = None
    expires_at: UnixTime | None = None
    created_at: Annotated[UnixTime | None, Field(description="Missing where the back end does not know")] = (
        None
    )


class PinUpdate(Ask):
    """Move a recursive pin from one root to another; walks only what the new root adds."""

    from_cid: CidText
    to_cid: CidText
    unpin: Annotated[bool, Field(description="Remove the old pin")] = True


class RepoGc(Ask):
    """Nothing to say: collects every block that no pin reaches and no add is using."""


class Collected(Answer):
    removed_blocks: SizeBytes
    freed_bytes: SizeBytes
    kept_blocks: SizeBytes
    reclaimed_disk_bytes: Annotated[int, Field(description="Given back by rewriting packs")]
    duration_s: float


class RepoStatRequest(Ask):
    """Nothing to say."""


class RepoStat(Answer):
    blocks: SizeBytes
    size_bytes: Annotated[int, Field(ge=0, description="Bytes of live blocks")]
    disk_bytes: Annotated[int, Field(ge=0, description="Bytes of pack files and index")]
    packs: SizeBytes | None = None
    pins: SizeBytes
    free_disk_bytes: SizeBytes | None = None
    path: str


class RepoVerify(Ask):
    """Nothing to say: reads every block and checks it against its hash."""


class BadBlock(Reply):
    cid: str
    problem: str


class Verified(Answer):
    """`bad` has the first 1,000 blocks that failed; `bad_blocks` counts them all."""

    checked_blocks: SizeBytes
    checked_bytes: SizeBytes
    bad_blocks: SizeBytes
    bad: list[BadBlock]
    duration_s: float


class VersionRequest(Ask):
    """Nothing to say."""


class Version(Answer):
    version: str
    backend: str
    python: str
    system: str


class IdRequest(Ask):
    """Nothing to say."""


class Id(Answer):
    id: Annotated[str, Field(description="libp2p peer ID of the node's Ed25519 key")]
    public_key: Annotated[str, Field(description="The libp2p public key, protobuf in base64")]
    agent_version: str
    addresses: list[str]
    instance: str


class OfNode(Reply):
    """What every event of an ipfs actor has: the name of the node whose content it is, where it has one."""

    node: str | None = None


class ContentAdded(OfNode):
    cid: str
    size_bytes: Annotated[
        int | None, Field(ge=0, description="A file's size, or a block's; null for a root that was imported")
    ] = None
    pinned: bool
    filename: str | None = None
    at: UnixTime


class PinChanged(OfNode):
    cid: str
    mode: PinMode
    name: str | None = None
    expires_at: UnixTime | None = None
    at: UnixTime


class BlockGone(OfNode):
    cid: str
    at: UnixTime


class GarbageCollected(OfNode):
    removed_blocks: SizeBytes
    freed_bytes: SizeBytes
    at: UnixTime
