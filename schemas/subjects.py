"""The table: every subject of the system, one row each. Nothing else names a subject.

From these rows come the actors' subscriptions, the bridge's routes, the OpenAPI and AsyncAPI documents, the
typed client, the command line's help, each actor's NATS permissions and the table in the README.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import ipfs
from .rows import Call, Event, Request, Row, Stream, Upload
from .wire import Empty

__all__ = ["ACTORS", "ROWS", "ActorInfo", "calls", "events", "row_named"]

# ---- ipfs: content, blocks, pins ------------------------------------------------------------------------

ADD = Upload(
    "ipfs.add", ipfs.AddRequest, ipfs.Added,
    "Store content; the same bytes always give the same CID",
    http=("POST /ipfs/add", "POST /ipfs/add/json", "POST /ipfs/add/file"), repeatable=True,
)  # fmt: skip
CAT = Stream(
    "ipfs.cat", ipfs.CatRequest, bytes,
    "The bytes of a file, or a range of them", head=ipfs.FileHead,
    http=("GET /ipfs/cat/{cid}", "GET /ipfs/get/{cid}", "POST /ipfs/cat"),
)  # fmt: skip
GET = Stream(
    "ipfs.get", ipfs.PathRequest, bytes,
    "A file or a whole tree as a tar archive", head=ipfs.TarHead,
    http="GET /ipfs/tar/{cid}",
)  # fmt: skip
LS: Stream[ipfs.PathRequest, Empty, ipfs.DirEntry] = Stream(
    "ipfs.ls", ipfs.PathRequest, ipfs.DirEntry,
    "The entries of a directory", items="entries",
    http="GET /ipfs/ls/{cid}",
)  # fmt: skip
STAT = Request(
    "ipfs.stat", ipfs.PathRequest, ipfs.Stat,
    "What a path is and how large", repeatable=True,
    http="GET /ipfs/stat/{cid}",
)  # fmt: skip

BLOCK_GET = Stream(
    "ipfs.block.get", ipfs.BlockRequest, bytes,
    "One block, as it is stored", head=ipfs.BlockHead,
    http="GET /ipfs/block/get/{cid}",
)  # fmt: skip
BLOCK_PUT = Upload(
    "ipfs.block.put", ipfs.BlockPut, ipfs.BlockStat,
    "Store one block", repeatable=True,
    http="POST /ipfs/block/put",
)  # fmt: skip
BLOCK_STAT = Request(
    "ipfs.block.stat", ipfs.BlockRequest, ipfs.BlockStat,
    "Whether a block is here, and its size", repeatable=True,
    http="GET /ipfs/block/stat/{cid}",
)  # fmt: skip
BLOCK_RM = Request(
    "ipfs.block.rm", ipfs.BlockRemove, ipfs.BlockRemoved,
    "Remove a block that no pin keeps", timeout_s=600,
    http="POST /ipfs/block/rm",
)  # fmt: skip

PIN = Request(
    "ipfs.pin.add", ipfs.PinRequest, ipfs.Pinned,
    "Keep a DAG from being collected", timeout_s=600, repeatable=True,
    http=("POST /ipfs/pin", "POST /ipfs/pin/add"),
)  # fmt: skip
UNPIN = Request(
    "ipfs.pin.rm", ipfs.PinRemove, ipfs.Pinned,
    "Let a DAG be collected again",
    http=("POST /ipfs/unpin", "POST /ipfs/pin/rm"),
)  # fmt: skip
PINS: Stream[ipfs.PinList, Empty, ipfs.Pin] = Stream(
    "ipfs.pin.ls", ipfs.PinList, ipfs.Pin,
    "What is pinned", items="pins",
    http=("GET /ipfs/pins", "GET /ipfs/pin/ls"),
)  # fmt: skip
PIN_UPDATE = Request(
    "ipfs.pin.update", ipfs.PinUpdate, ipfs.Pinned,
    "Move a pin to a new root", timeout_s=600,
    http="POST /ipfs/pin/update",
)  # fmt: skip

REPO_GC = Request(
    "ipfs.repo.gc", ipfs.RepoGc, ipfs.Collected,
    "Collect what no pin reaches", timeout_s=3600,
    http="POST /ipfs/repo/gc",
)  # fmt: skip
REPO_STAT = Request(
    "ipfs.repo.stat", ipfs.RepoStatRequest, ipfs.RepoStat,
    "How much is stored, and where", repeatable=True,
    http=("GET /ipfs/repo/stat", "GET /ipfs/stats"),
)  # fmt: skip
REPO_VERIFY = Request(
    "ipfs.repo.verify", ipfs.RepoVerify, ipfs.Verified,
    "Read every block and check its hash", timeout_s=3600, repeatable=True,
    http="POST /ipfs/repo/verify",
)  # fmt: skip
VERSION = Request(
    "ipfs.version", ipfs.VersionRequest, ipfs.Version,
    "Versions of this software", repeatable=True,
    http="GET /ipfs/version",
)  # fmt: skip
ID = Request(
    "ipfs.id", ipfs.IdRequest, ipfs.Id,
    "The node's identity", repeatable=True,
    http=("GET /ipfs/id", "POST /ipfs/id"),
)  # fmt: skip

ADDED = Event("ipfs.added", ipfs.ContentAdded, "Content was stored", also="content_added")
PINNED = Event("ipfs.pinned", ipfs.PinChanged, "A DAG was pinned, or its pin changed", also="pin_added")
UNPINNED = Event("ipfs.unpinned", ipfs.PinChanged, "A pin was removed or has expired", also="pin_removed")
REMOVED = Event("ipfs.removed", ipfs.BlockGone, "A block was removed on request", also="content_removed")
COLLECTED = Event("ipfs.collected", ipfs.GarbageCollected, "Garbage was collected")

# ---- the whole ------------------------------------------------------------------------------------------

ROWS: tuple[Row, ...] = tuple(row for row in globals().values() if isinstance(row, Row))


@dataclass(frozen=True)
class ActorInfo:
    """One actor: what it owns, and the rows of other actors that it may call."""

    summary: str
    calls: tuple[Call, ...] = ()  # type: ignore[type-arg]


ACTORS: dict[str, ActorInfo] = {
    "ipfs": ActorInfo("Owns blocks, pins and names"),
    "cache": ActorInfo("Owns the content cache and the CID index", calls=(CAT, STAT, BLOCK_GET)),
    "journal": ActorInfo(
        "Owns the file tree and its journal", calls=(ADD, CAT, STAT, BLOCK_GET, BLOCK_PUT, PIN, UNPIN)
    ),
    "telemetry": ActorInfo("Owns operation records"),
    "peer_discovery": ActorInfo("Owns the register of nodes"),
    "task_scheduler": ActorInfo("Owns tasks and their results", calls=(ADD, CAT)),
    "webrtc": ActorInfo("Owns media streams", calls=(CAT, STAT)),
    "state": ActorInfo("Owns the cluster's shared state"),
    "config": ActorInfo("Owns the configuration"),
    "access": ActorInfo("Owns tokens, roles, tenants and the audit"),
}


def calls(actor: str | None = None) -> list[Call]:  # type: ignore[type-arg]
    """The rows that somebody answers, of one actor or of all."""
    return [row for row in ROWS if isinstance(row, Call) and actor in (None, row.actor)]


def events(actor: str | None = None) -> list[Event]:  # type: ignore[type-arg]
    """The rows that announce something, of one actor or of all."""
    return [row for row in ROWS if isinstance(row, Event) and actor in (None, row.actor)]


def row_named(name: str) -> Row:
    """The row of this name, such as `ipfs.pin.add`; raises KeyError if there is none."""
    return _BY_NAME[name]


_BY_NAME = {row.name: row for row in ROWS}
