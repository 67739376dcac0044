"""File trees: the operations on them, and what the ipfs actor is asked so that a root becomes another root.

A tree is a UnixFS directory and everything below it, named by its root CID; it never changes. An operation
makes another tree of it. Who decides which root holds now is the journal actor.
"""

from __future__ import annotations

from math import floor
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .ipfs import (
    MAX_CHUNK_BYTES,
    MAX_FILE_LINKS,
    MAX_INLINE_CHARS,
    Answer,
    Ask,
    EntryType,
    HashName,
    KeepSeconds,
    ProfileName,
    RootName,
    SizeBytes,
    UnixTime,
)
from .paths import check_tree_path
from .wire import CidText, Reply, Wire

# Of one message; a client that has more sends several transactions.
MAX_OPERATIONS = 10_000
MAX_GROUPS = 1_024
MAX_TARGET_BYTES = 4_096
MAX_FILE_BYTES = 1 << 53


def _mode_bits(given: object) -> object:
    """Text is octal, as everybody writes modes; a number is the bits themselves."""
    if isinstance(given, bool | float):
        raise ValueError("a whole number, or octal digits as text")  # noqa: TRY004  # pydantic knows it alone
    if not isinstance(given, str):
        return given
    if not given or len(given) > 5 or set(given) - set("01234567"):
        raise ValueError("octal digits, such as 0644")
    return int(given, 8)


TreePath = Annotated[
    str,
    AfterValidator(check_tree_path),
    Field(description="A path from the root of the tree, such as `/photos/2026`; `/` is the root itself"),
]
Mode = Annotated[
    int,
    BeforeValidator(_mode_bits),
    Field(ge=0, le=0o7777, description="POSIX permission bits: a number, or text in octal such as `0644`"),
]
Mtime = Annotated[
    float,
    Field(ge=-(1 << 40), le=1 << 40, allow_inf_nan=False, description="Seconds since 1970-01-01 UTC"),
]
Offset = Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]


def seconds_and_nanoseconds(mtime: float) -> tuple[int, int]:
    """A time as UnixFS has it: whole seconds since 1970, and what is above them."""
    # A float of today is exact to a quarter of a microsecond: more digits would be made up.
    seconds = floor(mtime)
    micros = round((mtime - seconds) * 1_000_000)
    return (seconds + 1, 0) if micros == 1_000_000 else (seconds, micros * 1000)


# ---- operations: what changes a tree ------------------------------------------------------------------


class Operation(Wire):
    """One change of a tree. With `if_cid` it is a Conflict unless the entry at its path has this CID now."""

    if_cid: Annotated[CidText | None, Field(description="Only if the entry at the path has this CID")] = None


class Mkdir(Operation):
    """Make a directory; one that exists is a Conflict unless `exist_ok`."""

    op: Literal["mkdir"] = "mkdir"
    path: TreePath
    parents: Annotated[bool, Field(description="Make what is missing above it; then it may exist")] = False
    exist_ok: bool = False
    mode: Mode | None = None
    mtime: Mtime | None = None


class Put(Operation):
    """Place content that has a CID at a path: it costs one link, however large it is."""

    op: Literal["put"] = "put"
    path: TreePath
    cid: CidText
    parents: bool = False
    overwrite: Annotated[
        bool, Field(description="Replace a file (never a directory with something in it)")
    ] = True
    mode: Mode | None = None
    mtime: Mtime | None = None


class Write(Operation):
    """Write `content` (text) or `data` (base64) into a file at `offset`, by default its start.

    Bytes past the end of the file before `offset` become zeros. Without `truncate` the rest of the file
    stays.
    """

    op: Literal["write"] = "write"
    path: TreePath
    content: Annotated[str | None, Field(max_length=MAX_INLINE_CHARS)] = None
    data: Annotated[bytes | None, Field(max_length=MAX_INLINE_CHARS, description="Bytes in base64")] = None
    offset: Offset = 0
    append: Annotated[bool, Field(description="Write at the end; `offset` must be 0")] = False
    truncate: Annotated[bool, Field(description="The file ends where the written bytes end")] = False
    create: Annotated[bool, Field(description="Make the file if it is missing")] = True
    parents: bool = False
    mode: Mode | None = None
    mtime: Mtime | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.content is not None and self.data is not None:
            raise ValueError("give `content` or `data`, not both")
        if self.append and self.offset:
            raise ValueError("`append` writes at the end: leave `offset` out")
        return self

    @property
    def inline(self) -> bytes | None:
        """The bytes that travel inside the request, or None if a stream follows."""
        return self.data if self.content is None else self.content.encode()


class Truncate(Operation):
    """Cut a file to a size, or fill it up with zeros."""

    op: Literal["truncate"] = "truncate"
    path: TreePath
    size_bytes: Offset


class Remove(Operation):
    """Remove an entry; a directory with something in it needs `recursive`."""

    op: Literal["remove"] = "remove"
    path: TreePath
    recursive: bool = False
    missing_ok: bool = False


class Move(Operation):
    """Give an entry another path. A destination that is a directory takes it in under its own name."""

    op: Literal["move"] = "move"
    source: TreePath
    destination: TreePath
    parents: bool = False
    overwrite: bool = True
    exact: Annotated[
        bool, Field(description="The destination is the new path itself, never a folder to put it in")
    ] = False

    @property
    def path(self) -> str:
        return self.source


class Copy(Operation):
    """Place an entry at a second path; it costs one link. A destination that is a directory takes it in."""

    op: Literal["copy"] = "copy"
    source: TreePath
    destination: TreePath
    parents: bool = False
    overwrite: bool = False
    exact: bool = False

    @property
    def path(self) -> str:
        return self.source


class Symlink(Operation):
    """Make a symbolic link; its target is relative and stays inside the tree."""

    op: Literal["symlink"] = "symlink"
    path: TreePath
    target: Annotated[str, Field(min_length=1, max_length=MAX_TARGET_BYTES)]
    parents: bool = False


class Metadata(Operation):
    """Set what an entry says about itself; fields left out stay. `clear` takes both away before.

    With mode or time a file has another CID than the same bytes without them, as in Kubo.
    """

    op: Literal["metadata"] = "metadata"
    path: TreePath
    mode: Mode | None = None
    mtime: Mtime | None = None
    clear: bool = False
    create: Annotated[bool, Field(description="Make an empty file if there is none")] = False


AnyOperation = Annotated[
    Mkdir | Put | Write | Truncate | Remove | Move | Copy | Symlink | Metadata, Field(discriminator="op")
]


class Outcome(Reply):
    """What one operation has done: the entry at `path` now, or what was removed."""

    op: str
    path: str
    cid: str | None = None
    type: EntryType | None = None
    size_bytes: SizeBytes | None = None
    created: Annotated[bool, Field(description="Whether nothing was at the path before")] = False


# ---- ipfs.tree: a root becomes another root -----------------------------------------------------------


class TreePatch(Ask):
    """Apply groups of operations to a tree, in order. A group is done whole or not at all, and the next
    begins with what the one before has made; one that fails leaves the others.

    The new root is durable when answered and, with `keep`, kept from collection under that name.
    """

    root: Annotated[CidText | None, Field(description="The tree; without it, an empty directory")] = None
    groups: Annotated[
        list[Annotated[list[AnyOperation], Field(max_length=MAX_OPERATIONS)]], Field(max_length=MAX_GROUPS)
    ]
    keep: RootName | None = None
    keep_s: KeepSeconds | None = None
    release: Annotated[
        list[RootName] | None, Field(max_length=MAX_OPERATIONS, description="Named roots to let go")
    ] = None
    profile: ProfileName = "unixfs-v1-2025"


class GroupResult(Reply):
    """`outcomes` of a group that was done, one for each operation; else `error` as an error reply has it,
    and `failed` says at which operation."""

    outcomes: list[Outcome] = Field(default_factory=list)
    error: dict[str, object] | None = None
    failed: int | None = None


class TreePatched(Answer):
    root: str
    dag_size_bytes: SizeBytes
    results: list[GroupResult]


class FileWrite(Ask):
    """Bytes (inside as `data`, else a stream) written into a file of the given CID, or into a new one.

    Appending gives the same CID as adding the whole at once. Kept under `keep`, which is how an upload goes
    on.
    """

    cid: Annotated[CidText | None, Field(description="The file to begin with; without it, an empty one")] = (
        None
    )
    data: Annotated[bytes | None, Field(max_length=MAX_INLINE_CHARS)] = None
    offset: Annotated[Offset | None, Field(description="Where to write; by default at the end")] = None
    truncate: bool = False
    size_bytes: Annotated[
        Offset | None, Field(description="Cut or fill the file to this size at the end")
    ] = None
    keep: RootName | None = None
    keep_s: KeepSeconds | None = None
    profile: ProfileName = "unixfs-v1-2025"
    raw_leaves: bool | None = None
    cid_version: Literal[0, 1] | None = None
    chunk_bytes: Annotated[int | None, Field(ge=1, le=MAX_CHUNK_BYTES)] = None
    max_links: Annotated[int | None, Field(ge=2, le=MAX_FILE_LINKS)] = None
    hash: HashName | None = None

    @property
    def inline(self) -> bytes | None:
        return self.data


class FileWritten(Answer):
    cid: str
    size_bytes: SizeBytes
    dag_size_bytes: SizeBytes
    written_bytes: SizeBytes


class TreeLookup(Ask):
    """What stands at a path of a tree. With `follow` symbolic links are followed, inside the tree alone."""

    root: CidText
    path: TreePath = "/"
    follow: bool = False


class TreeEntry(Answer):
    """One entry of a tree: its path, and what it is."""

    path: str
    name: str
    cid: str
    type: EntryType
    size_bytes: Annotated[
        int, Field(ge=0, description="A file's bytes or a link's target; 0 for a directory")
    ]
    dag_size_bytes: SizeBytes
    blocks: Annotated[int | None, Field(description="Links of the root block")] = None
    mode: Mode | None = None
    mtime: UnixTime | None = None
    target: str | None = None


class TreeFind(Ask):
    """Entries below a path, depth first: those that `glob` matches (`*.jpg` any name at any depth, or with a
    `/` the path below: `2026/**/*.jpg`), of a type, down to a depth."""

    root: CidText
    path: TreePath = "/"
    glob: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    type: EntryType | None = None
    max_depth: Annotated[int | None, Field(ge=0, le=256)] = None
    details: Annotated[bool, Field(description="Open files for their size, mode and time")] = True
    limit: Annotated[int | None, Field(ge=1)] = None


class TreeUsage(Ask):
    root: CidText
    path: TreePath = "/"


class Usage(Answer):
    """What a tree takes: `size_bytes` of content as listed, `unique_bytes` of blocks as stored."""

    path: str
    files: SizeBytes
    directories: SizeBytes
    symlinks: SizeBytes
    size_bytes: SizeBytes
    unique_blocks: SizeBytes
    unique_bytes: SizeBytes


class TreeDiff(Ask):
    """What differs between two trees below a path; what has the same CID in both is not opened."""

    before: CidText
    after: CidText
    path: TreePath = "/"


class Difference(Answer):
    """One path that differs. A directory that is new or gone is one difference, whatever is in it."""

    path: str
    change: Literal["added", "removed", "changed"]
    type: EntryType
    before: str | None = None
    after: str | None = None
    size_bytes: SizeBytes | None = None


class TreeExport(Ask):
    """A tree as a CAR; with `since`, without what that tree (of which it is a later state) has already."""

    root: CidText
    since: CidText | None = None


# ---- ipfs.root: names that keep a DAG from collection -------------------------------------------------


class RootSet(Ask):
    """Keep a DAG under a name, in place of what the name kept. What is not here is not fetched: of a named
    root, what is here is kept."""

    name: RootName
    cid: CidText
    expires_in_s: Annotated[float | None, Field(gt=0, le=3.2e9)] = None


class RootsRemove(Ask):
    """Let named roots go; those that are not there are not counted."""

    names: Annotated[list[RootName], Field(min_length=1, max_length=MAX_OPERATIONS)]


class RootsRemoved(Answer):
    removed: SizeBytes


class RootList(Ask):
    """The named roots that begin with `prefix`, in the order of their names, after a name."""

    prefix: Annotated[str, Field(max_length=255)] = ""
    after: Annotated[str, Field(max_length=255)] = ""


class NamedRoot(Answer):
    name: str
    cid: str
    expires_at: UnixTime | None = None


# ---- ipfs.upload: content that comes in several goes --------------------------------------------------

UploadId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")]


class UploadCreate(Ask):
    """Begin an upload of `size_bytes` (or of an unknown size) that may stop and go on until it expires."""

    size_bytes: Offset | None = None
    metadata: Annotated[str, Field(max_length=8192, description="The client's own, given back as it is")] = ""
    filename: Annotated[str | None, Field(max_length=255)] = None
    expires_in_s: Annotated[float, Field(gt=0, le=3.2e9)] = 86_400.0
    profile: ProfileName = "unixfs-v1-2025"
    pin: Annotated[bool, Field(description="Pin the content when it is complete")] = True


class UploadAppend(Ask):
    """Bytes that follow the first `offset` ones, as a stream. What arrived before a stream broke is kept."""

    id: UploadId
    offset: Offset
    data: Annotated[bytes | None, Field(max_length=MAX_INLINE_CHARS)] = None
    checksum: Annotated[
        str | None,
        Field(
            max_length=200,
            description="`<algorithm> <base64 digest>` of this stream; nothing is kept if it differs",
        ),
    ] = None

    @property
    def inline(self) -> bytes | None:
        return self.data


class UploadRequest(Ask):
    id: UploadId


class UploadFinish(Ask):
    """Say that an upload of unknown size is complete, or learn the CID of one that is."""

    id: UploadId
    size_bytes: Offset | None = None


class UploadList(Ask):
    """Nothing to say: the uploads that have not expired."""


class UploadState(Answer):
    """`cid` is the file of all bytes so far: the content itself once `complete`."""

    id: str
    offset: SizeBytes
    size_bytes: SizeBytes | None = None
    cid: str | None = None
    complete: bool = False
    metadata: str = ""
    filename: str | None = None
    created_at: UnixTime
    expires_at: UnixTime | None = None


class UploadProgress(Answer):
    """An upload has come further, is complete, was cancelled or has expired."""

    id: str
    state: Literal["created", "receiving", "complete", "cancelled", "expired"]
    offset: SizeBytes
    size_bytes: SizeBytes | None = None
    cid: str | None = None
    at: UnixTime
