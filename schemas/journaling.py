"""What is said of the journal itself: its entries and their chain, its numbers, its archive and recovery."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .ipfs import SizeBytes, UnixTime
from .journal import EntryState
from .tree import TreePath
from .wire import Reply, Wire


class LogRequest(Wire):
    """Entries of the journal, the newest first unless `after` is given: then those behind it, in order.
    With `path`, those that changed it or something below it."""

    after: Annotated[int | None, Field(ge=0)] = None
    limit: Annotated[int, Field(ge=1, le=100_000)] = 100
    path: TreePath | None = None


class Entry(Reply):
    """One entry: `changes` transactions that were written together, from tree `before` to tree `root`.

    `previous` is the SHA-256 of the entry before it, which is what chains them.
    """

    sequence: int
    id: str
    status: EntryState
    before: str
    root: str
    previous: str
    at: UnixTime
    node: str | None = None
    instance: str | None = None
    operations: dict[str, int] = Field(default_factory=dict)
    paths: list[str] = Field(default_factory=list)
    changes: int = 1
    error: str | None = None


class ChangeRecord(Reply):
    """One transaction as an entry tells of it. `transaction` is None for a change that was one request.

    `writes` says what it may have changed: a letter and a path each. `e`: what stands at the path; `p`: that,
    and directories above it may be new; `t`: that and everything below it. Many become few by naming what
    is above them.
    """

    transaction: str | None = None
    status: EntryState
    operations: dict[str, int] = Field(default_factory=dict)
    writes: list[str] = Field(default_factory=list)
    error: str | None = None
    started_at: UnixTime


class Totals(Reply):
    """Since the tree began: transactions by status, their operations by type."""

    statuses: dict[str, int] = Field(default_factory=dict)
    operations: dict[str, int] = Field(default_factory=dict)


class Record(Reply):
    """An entry as it is stored. `previous` is the SHA-256 of the bytes of the entry before, in hex; `recover`
    says that the entries before it were lost, or left behind, on purpose."""

    sequence: int
    id: str
    kind: Literal["commit", "recover"] = "commit"
    previous: str
    before: str
    root: str
    at: UnixTime
    node: str | None = None
    instance: str | None = None
    changes: list[ChangeRecord] = Field(default_factory=list)
    totals: Totals = Totals()


class StatusRequest(Wire):
    """Nothing to say."""


class JournalStatus(Reply):
    """The journal in numbers. Entries are transactions since the tree began; `journal_size_bytes` is what
    the stream holds now."""

    journal_enabled: bool
    total_entries: SizeBytes
    pending_entries: SizeBytes
    completed_entries: SizeBytes
    failed_entries: SizeBytes
    rolled_back_entries: SizeBytes = 0
    last_checkpoint: UnixTime | None = None
    journal_size_bytes: SizeBytes
    operations_by_type: dict[str, int]
    timestamp: UnixTime
    message: str | None = None

    root: str
    sequence: int
    first_sequence: Annotated[int, Field(description="The oldest state that can still be read")]
    last_checkpoint_sequence: int | None = None
    last_checkpoint_id: str | None = None
    checkpoints: SizeBytes = 0
    archived_sequence: Annotated[int | None, Field(description="Up to here the archive is on disk")] = None
    journal_base_path: str | None = None
    auto_recovery: bool | None = None
    sync_interval: float | None = None
    checkpoint_interval: float | None = None
    max_journal_size: int | None = None
    recovered_at: UnixTime | None = None
    recovery_ms: float | None = None


class EnableJournaling(Wire):
    """Where the archive is, and when it is written. Intervals are seconds.

    The journal itself is always on; this sets up, or moves, the archive from which a lost journal is
    recovered: `sync_interval` until its file is on the disk, a checkpoint after `checkpoint_interval` or
    `max_journal_size` entries, whichever comes first.
    """

    journal_base_path: Annotated[str, Field(min_length=1, max_length=4096)] = "~/.ipfs_kit/journal"
    auto_recovery: bool = True
    sync_interval: Annotated[float, Field(ge=0, le=3600)] = 5
    checkpoint_interval: Annotated[float, Field(ge=1, le=86_400)] = 60
    max_journal_size: Annotated[int, Field(ge=1, le=10_000_000)] = 1000


class JournalingEnabled(Reply):
    journal_enabled: bool
    journal_base_path: str
    auto_recovery: bool
    message: str
    timestamp: UnixTime


class CheckpointRequest(Wire):
    """Make a checkpoint now; `whole` writes all blocks and not only those that are new since the last."""

    whole: bool = False


class Checkpoint(Reply):
    """A state of the tree in the archive: `file` is a CAR, whole or building on the checkpoint `base`."""

    id: str
    sequence: int
    root: str
    at: UnixTime
    base: str | None = None
    file: str
    size_bytes: SizeBytes
    blocks: SizeBytes
    entries: Annotated[int, Field(ge=0, description="Entries since the checkpoint before")]


class CheckpointList(Wire):
    """Nothing to say: the newest first."""


class Recover(Wire):
    """Go back to what the journal and its archive say: by default the newest state that both can prove, or
    the state of one checkpoint, which then becomes a new entry."""

    checkpoint_id: Annotated[str | None, Field(min_length=1, max_length=128)] = None


class Recovered(Reply):
    """`source` says which copy was used; `replayed` entries were verified behind the checkpoint."""

    root: str
    sequence: int
    source: Literal["journal", "archive", "checkpoint", "nothing"]
    checkpoint_id: str | None = None
    replayed: SizeBytes
    verified: bool
    restored_blocks: SizeBytes = 0
    lost_entries: Annotated[int, Field(ge=0, description="Known to have been there and not found again")] = 0
    duration_ms: float
    message: str


class VerifyJournal(Wire):
    """Check the whole chain, in the stream and in the archive, and that every state is readable."""

    roots: Annotated[bool, Field(description="Also look for the block of each root")] = True


class JournalVerified(Reply):
    ok: bool
    entries: SizeBytes
    archived_entries: SizeBytes
    checkpoints: SizeBytes
    problems: list[str] = Field(default_factory=list)
    duration_ms: float


class Truncation(Wire):
    """Forget entries before a sequence; never those behind the last checkpoint."""

    before: Annotated[int, Field(ge=1)]


class Truncated(Reply):
    removed: SizeBytes
    first_sequence: int


# ---- events ------------------------------------------------------------------------------------------


class CheckpointMade(Reply):
    id: str
    sequence: int
    root: str
    size_bytes: SizeBytes
    node: str | None = None
    at: UnixTime


class JournalRecovered(Reply):
    root: str
    sequence: int
    source: str
    node: str | None = None
    at: UnixTime
