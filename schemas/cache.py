"""What is said to and by the cache actor: cached content, and what the index knows about each CID."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from .ipfs import FileHead, SizeBytes, UnixTime
from .wire import CidText, PathText, Reply, Wire

Tier = Literal["memory", "disk"]
StorageTier = Literal["memory", "disk", "ipfs"]
PolicyName = Literal["heat", "s3-fifo", "lru"]
WorkloadName = Literal[
    "read_heavy", "write_heavy", "analytical", "mixed", "time_series", "metadata", "cid_focused"
]

# A message holds about this many CIDs, or rows of metadata.
MAX_CIDS = 10_000
MAX_ROWS = 2_000


def _from_text(given: Any) -> Any:
    """A field of a query string that is JSON; a filter in a body is JSON already."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except (ValueError, RecursionError):
        raise ValueError("not JSON, or nested too deep") from None


def _finite(given: Any) -> Any:
    """Refuses NaN and infinity wherever they stand: JSON has no word for them, and would say null."""
    waiting = [given]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError("a number here is a finite number, neither NaN nor infinity")
    return given


def _no_truth(given: Any) -> Any:
    """True is no number of rows."""
    if isinstance(given, bool):
        raise ValueError("not a whole number")  # noqa: TRY004  # pydantic knows ValueError alone
    return given


def _names_from_text(given: Any) -> Any:
    """Names in a query string, separated by commas."""
    if given is None:
        return None
    names = given if isinstance(given, list) else [given]
    return [part for name in names for part in (name.split(",") if isinstance(name, str) else [name])]


Cids = Annotated[list[CidText], Field(min_length=1, max_length=MAX_CIDS)]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
Filter = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_from_text),
    AfterValidator(_finite),
    Field(
        description="Conditions by column, as MongoDB writes them: $eq $ne $gt $gte $lt $lte $in $nin $and "
        "$or $not $exists $contains $regex",
        examples=[{"heat_score": {"$gt": 0.7}}],
    ),
]
Names = Annotated[
    Annotated[list[ColumnName], Field(max_length=128)] | None, BeforeValidator(_names_from_text)
]

# ---- content --------------------------------------------------------------------------------------------


class CacheGet(Wire):
    """Which bytes of which file; a negative `offset` counts from the end."""

    cid: CidText
    path: PathText = ""
    offset: int = 0
    length: Annotated[int | None, Field(ge=0)] = None
    redirect: Annotated[
        bool, Field(description="Answer `not_cached` for what the cache would only pass on to the caller")
    ] = False


class CachedHead(FileHead):
    """As for `ipfs.cat`, and which tier the bytes come from; `miss` if they were fetched for this."""

    cache: Literal["memory", "disk", "miss"] = "miss"


class CachePut(Wire):
    """A block to keep: `data` (base64) inside the request, else a stream that follows. Its CID must be of
    codec raw and match the bytes: of larger files only the ipfs actor can tell that."""

    cid: CidText
    data: Annotated[bytes | None, Field(description="Bytes to keep, in base64")] = None

    @property
    def inline(self) -> bytes | None:
        return self.data


class CacheKept(Reply):
    cid: str
    size_bytes: SizeBytes
    tier: Annotated[Tier | None, Field(description="Where it is kept; null if no tier has room for it")] = (
        None
    )


class CacheInvalidate(Wire):
    """CIDs to forget; with `negative` only that they were not found."""

    cids: Cids
    negative: bool = False


class CacheInvalidated(Reply):
    removed: Annotated[int, Field(ge=0, description="How many of them were cached")]


class CacheClear(Wire):
    """Which tier to empty; all of them, and what was not found, by default."""

    tier: Tier | None = None


class CacheWarm(Wire):
    """Files to bring into the cache before anybody asks for them."""

    cids: Cids


class CacheWarmed(Reply):
    """How many of the files are cached now; `failed` has the first 100 that could not be had, and why."""

    warmed: int
    already_cached: int
    too_large: int
    warmed_bytes: SizeBytes
    failed: dict[str, str] = Field(default_factory=dict)


class Access(Wire):
    cid: CidText
    count: Annotated[int, Field(ge=1, le=2**31)] = 1
    at: UnixTime


class CacheTouch(Wire):
    """Reads that somebody else has answered, so that the heat of what is read is known."""

    accesses: Annotated[list[Access], Field(max_length=MAX_CIDS)]


class CacheTouched(Reply):
    touched: int


class PolicyRequest(Wire):
    """The policy to use from now on; nothing given only asks. What is cached stays."""

    policy: PolicyName | None = None


class PolicyState(Reply):
    """The policy of each tier, and the parameters that it has adapted to the traffic."""

    policy: PolicyName
    memory: dict[str, Any] = Field(default_factory=dict)
    disk: dict[str, Any] = Field(default_factory=dict)


class CacheStatsRequest(Wire):
    pass


class CacheStats(Reply):
    """Counts since the actor started, and what is there now, by tier."""

    policy: PolicyName
    hits: int
    misses: int
    hit_rate: float
    near: Annotated[dict[str, Any], Field(description="What bridges have answered from their own memory")]
    memory: dict[str, Any]
    disk: dict[str, Any]
    fetches: dict[str, Any]
    negative: dict[str, Any]


class CacheForgot(Reply):
    """Content that must not be served from any memory any more; no CIDs means all of it."""

    cids: list[str] = Field(default_factory=list)
    at: UnixTime


# ---- the index ------------------------------------------------------------------------------------------


class CidRow(Reply):
    """What is known about one CID; columns that were added later are fields too. Times are Unix seconds."""

    model_config = ConfigDict(extra="allow")

    cid: str | None = None
    size_bytes: int | None = None
    mimetype: str | None = None
    filename: str | None = None
    extension: str | None = None
    storage_tier: str | None = None
    is_pinned: bool | None = None
    local_path: str | None = None
    added_timestamp: float | None = None
    last_accessed: float | None = None
    access_count: int | None = None
    heat_score: float | None = None
    source: str | None = None
    source_details: str | None = None
    cid_version: int | None = None
    multihash_type: str | None = None
    valid: bool | None = None
    validation_timestamp: float | None = None
    properties: dict[str, str] | None = None
    codec: str | None = None
    tags: list[str] | None = None
    node: str | None = None


Fields = Annotated[
    dict[str, Any],
    AfterValidator(_finite),
    Field(max_length=1000, description="Values by column; times as Unix seconds"),
]


class CidGet(Wire):
    cid: CidText
    select: Names = None


class CidPut(Wire):
    """A row, new or in place of the one there. What it does not name is null, but for how the content is used
    (heat, accesses, pins), which stays, and for when it was added."""

    cid: CidText
    metadata: Fields


class CidUpdate(CidPut):
    """Changes to a row that is there; what they do not name stays."""


class CidDelete(Wire):
    cids: Cids


class CidDeleted(Reply):
    deleted: int


class CidBatch(Wire):
    """Several changes at once, in this order: puts, updates, deletes; then rows to read."""

    put: Annotated[list[CidPut], Field(max_length=MAX_ROWS)] | None = None
    update: Annotated[list[CidUpdate], Field(max_length=MAX_ROWS)] | None = None
    delete: Annotated[list[CidText], Field(max_length=MAX_CIDS)] | None = None
    get: Annotated[list[CidText], Field(max_length=MAX_ROWS)] | None = None


class CidBatched(Reply):
    """How many rows were changed; `missing` are those to update or to read that are not there."""

    put: int
    updated: int
    deleted: int
    rows: list[CidRow] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)


class QueryRequest(Wire):
    """Which rows, which columns of them, in which order (`-heat_score` is descending), how many, and after
    which: `cursor` is the `next_cursor` of the page before. Without an order any `limit` rows are given, and
    with `paged` those that come first by CID, with a cursor."""

    filter: Filter = None
    select: Names = None
    sort: Names = None
    limit: Annotated[int | None, BeforeValidator(_no_truth)] = None
    cursor: Annotated[str | None, Field(max_length=16_384)] = None
    paged: bool = False


class QueryHead(Reply):
    """What comes before the rows: how many there will be, and where the next page begins if there is one."""

    rows: int
    next_cursor: str | None = None


class Explained(Reply):
    """How a query is answered: `segments` has what is done in each, `expression` is the filter in Arrow's
    words."""

    model_config = ConfigDict(extra="allow")


class AggregateRequest(Wire):
    """Aggregates by name, such as `{"bytes": {"$sum": "size_bytes"}, "n": {"$count": {}}}`, of all rows that
    match or of each group of them."""

    aggregates: Annotated[dict[str, Any], Field(max_length=32)]
    filter: Filter = None
    group_by: Names = None


class Aggregated(Reply):
    groups: list[dict[str, Any]]
    count: int


class TopRequest(Wire):
    """The hottest rows."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    select: Names = None


class IndexStatsRequest(Wire):
    pass


class IndexStats(Reply):
    """What the index holds: `total_size_bytes` is that of its files, `content_size_bytes` that of the content
    it knows of."""

    model_config = ConfigDict(extra="allow")

    record_count: int
    total_size_bytes: int


class ColumnInfo(Reply):
    name: str
    type: str
    kind: Literal["key", "hot", "static"]
    number: int


class SchemaRequest(Wire):
    pass


class IndexSchema(Reply):
    """The columns; `arrow` is the schema as an Arrow IPC message."""

    columns: list[ColumnInfo]
    arrow: bytes
    layout: dict[str, Any] = Field(default_factory=dict)


class SchemaChange(Wire):
    """One change of the columns; no run is rewritten for it. Types are Arrow's names, such as `int64`."""

    add: ColumnName | None = None
    rename: ColumnName | None = None
    widen: ColumnName | None = None
    to: ColumnName | None = None
    type: ColumnName | None = None

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if sum(name is not None for name in (self.add, self.rename, self.widen)) != 1:
            raise ValueError("give one of `add`, `rename` and `widen`")
        if (self.rename is None) != (self.to is None) or (self.rename is None) != (self.type is not None):
            raise ValueError("`rename` needs `to`; `add` and `widen` need `type`")
        return self


class OptimizeRequest(Wire):
    """The workload to fit the index to, by default the one that was observed; without `apply` it only tells
    what it would do."""

    workload: WorkloadName | None = None
    apply: bool = False


class Optimized(Reply):
    """What changes and why; with `apply` the figures before and after."""

    workload: WorkloadName
    changes: list[dict[str, Any]]
    applied: bool
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class CompactRequest(Wire):
    """`full` makes one run of everything; else only runs of similar size are merged."""

    full: bool = True


class Compacted(Reply):
    runs_before: int
    runs_after: int
    rows: Annotated[int, Field(description="Of the run that was written; 0 if there was nothing to do")]
    dropped_rows: Annotated[int, Field(description="Dead ones that are gone now")]


class VerifyRequest(Wire):
    pass


class IndexVerified(Reply):
    """What was damaged, whether it could be repaired, and how many rows were lost with it."""

    damaged: list[dict[str, Any]]
    cache_entries: int
    bad_cache_entries: int


class ExportRequest(Wire):
    """Every row with every column, as one Parquet file or as an Arrow IPC stream."""

    format: Literal["parquet", "arrow"] = "parquet"


class TableHead(Reply):
    """What comes before a table's bytes."""

    format: Literal["parquet", "arrow"]
    rows: int
    next_cursor: str | None = None
