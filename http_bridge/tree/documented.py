"""The documented routes of the journal and the file system whose words are not those of a row.

`/fs-journal/enable` and `/fs-journal/write` are rows under other names; `get-filesystem` tells how to open
the tree with fsspec; `monitor` and `visualization` read the journal's own numbers: the bridge keeps none.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from ...schemas.cache import CacheStatsRequest
from ...schemas.errors import BadRequest, BusError, NotSupported
from ...schemas.ipfs import VersionRequest
from ...schemas.journaling import EnableJournaling, JournalStatus, StatusRequest
from ...schemas.subjects import CACHE_STATS, JOURNAL_ENABLE, JOURNAL_STATUS, VERSION
from ...schemas.tree import TreePath
from ...schemas.wire import Reply, Wire
from ..asking import ask_of_body, ask_of_path
from ..bodies import once
from ..bridge import Bridge, Handler
from ..replies import reply
from .dashboard import dashboard
from .writing import Writing, write_stream

__all__ = ["Documented"]

# An archive that lags behind for longer than this many of its own intervals has a problem.
LATE_INTERVALS = 3
# Of a cache in a client's memory.
BLOCK_BYTES = 1 << 20


class FilesystemRequest(Wire):
    """How the file system is wanted; `cache_config` is JSON with memory_size, disk_size and disk_path."""

    gateway_urls: Annotated[str | None, Field(max_length=4096, description="Separated by commas")] = None
    use_gateway_fallback: bool = False
    gateway_only: bool = False
    enable_metrics: bool = False
    return_mock: bool = False
    cache_config: Annotated[str | None, Field(max_length=4096)] = None


class Filesystem(Reply):
    """What `fsspec.filesystem(protocol, **storage_options)` takes to open the tree, or content by CID with
    `content_protocol`, and what its `open` takes for the cache that was asked for."""

    filesystem_type: str
    protocol: str
    content_protocol: str
    storage_options: dict[str, Any]
    open_options: dict[str, Any]
    has_cache: bool
    cache_info: dict[str, Any]
    supports_mmap: bool
    gateway_fallback: bool
    metrics: dict[str, Any] | None = None
    message: str


class EnableRequest(Wire):
    """`checkpoint_interval` is in seconds. The journal is a write-ahead log, so `wal_enabled` is granted."""

    journal_path: Annotated[str | None, Field(min_length=1, max_length=4096)] = None
    checkpoint_interval: Annotated[float, Field(ge=1, le=86_400)] = 50
    wal_enabled: bool = False


class WriteRequest(Wire):
    """The whole new content of a file, as text or as bytes in base64."""

    path: TreePath
    content: str | None = None
    content_bytes: bytes | None = None
    content_file: str | None = None


class MonitorRequest(Wire):
    check_interval: Annotated[int, Field(ge=1, le=86_400)] = 60
    stats_dir: Annotated[str | None, Field(max_length=4096)] = None


class JournalHealth(Reply):
    """`issues` says in a sentence each what somebody should look at; with none the journal is healthy."""

    status: str
    issues: list[str]
    journal: JournalStatus
    timestamp: float


class Documented:
    """These routes' handlers."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._bus = bridge.bus
        self.posts: dict[str, Handler] = {
            "/fs-journal/enable": self.enable,
            "/fs-journal/write": self.write,
            "/fs-journal/monitor/create": self.monitor,
            "/fs-journal/visualization/create": self.visualize,
            "/fs-journal/visualization/dashboard": self.visualize,
        }

    async def enable(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = await ask_of_body(EnableRequest, request, self._bridge)
        given = {"checkpoint_interval": ask.checkpoint_interval}
        path = {} if ask.journal_path is None else {"journal_base_path": ask.journal_path}
        enabled = await self._bus.request(JOURNAL_ENABLE, EnableJournaling.model_validate(given | path))
        return reply(enabled, operation_id, started)

    async def write(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        ask = await ask_of_body(WriteRequest, request, self._bridge)
        if ask.content_file is not None:
            raise NotSupported(
                "content_file: the server reads none of its own files for a caller; send the content itself",
                field="content_file",
            )
        if (ask.content is None) == (ask.content_bytes is None):
            raise BadRequest("content", "give `content` or `content_bytes`")
        data = ask.content.encode() if ask.content is not None else ask.content_bytes or b""
        changed = await write_stream(self._bus, Writing(path=ask.path), once(data))
        return reply(changed, operation_id, started)

    # ---- the file system --------------------------------------------------------------------------------

    async def filesystem(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """How to open it, checked against what runs: nothing is named that would not answer."""
        started = time.perf_counter()
        ask = ask_of_path(FilesystemRequest, request)
        if ask.return_mock:
            raise NotSupported("return_mock: nothing here is made up", field="return_mock")
        fallback = await self._gateway(ask)
        base = f"{request.scheme}://{request.host}"
        protocol, options, open_options = _opening(base, _cache_config(ask.cache_config))
        cache = await self._cache()
        return reply(
            Filesystem(
                filesystem_type="CidbusFileSystem", protocol=protocol, content_protocol="ipfs",
                storage_options=options, open_options=open_options,
                has_cache=bool(cache), cache_info=_cache_info(cache), supports_mmap=False,
                gateway_fallback=fallback,
                metrics=self._metrics() if ask.enable_metrics else None,
                message=f"fsspec.filesystem({protocol!r}, **storage_options) opens the tree",
            ),
            operation_id, started,
        )  # fmt: skip

    async def _gateway(self, ask: FilesystemRequest) -> bool:
        """Whether other gateways are asked for what this node lacks, which is set where it is started."""
        if not (ask.use_gateway_fallback or ask.gateway_only or ask.gateway_urls):
            return False
        try:
            await self._bus.request(VERSION, VersionRequest(backend="gateway"))
        except BusError as error:
            if ask.gateway_only or ask.gateway_urls:
                field = "gateway_only" if ask.gateway_only else "gateway_urls"
                raise BadRequest(field, "none is set up: start with --ipfs backend=…,gateway") from error
            return False
        return True

    async def _cache(self) -> dict[str, Any]:
        try:
            stats = await self._bus.request(CACHE_STATS, CacheStatsRequest(), timeout_s=2)
        except BusError:
            return {}
        return {"memory": stats.memory, "disk": stats.disk}

    def _metrics(self) -> dict[str, Any]:
        near = self._bridge.contents
        return {"near": None if near is None else near.stats(), "running_requests": self._bridge.running}

    # ---- watching the journal ---------------------------------------------------------------------------

    async def health(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        started = time.perf_counter()
        return reply(await self._health(), operation_id, started)

    async def monitor(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """The journal counts by itself, so there is nothing to set up: its health as it is now."""
        started = time.perf_counter()
        ask = await ask_of_body(MonitorRequest, request, self._bridge)
        if ask.stats_dir is not None:
            raise NotSupported("stats_dir: the numbers stay in the journal; GET …/monitor/health reads them")
        return reply(await self._health(), operation_id, started)

    async def visualize(self, request: web.Request, operation_id: str) -> web.StreamResponse:
        """A page of the journal's last hours, which is content like any other."""
        started = time.perf_counter()
        return reply(await dashboard(self._bridge, request), operation_id, started)

    async def _health(self) -> JournalHealth:
        status = await self._bus.request(JOURNAL_STATUS, StatusRequest())
        now = time.time()
        issues = list(_issues(status, now))
        return JournalHealth(
            status="healthy" if not issues else "degraded", issues=issues, journal=status, timestamp=now
        )


def _issues(status: JournalStatus, now: float) -> list[str]:
    found = [] if status.message is None else [status.message]
    if not status.journal_enabled:
        found.append("no archive is written: a lost JetStream store could not be recovered from")
        return found
    if status.archived_sequence is not None and status.archived_sequence < status.sequence:
        found.append(f"the archive is {status.sequence - status.archived_sequence} entries behind")
    due = LATE_INTERVALS * (status.checkpoint_interval or 0)
    waiting = status.sequence - (status.last_checkpoint_sequence or 0)
    if due and waiting and status.last_checkpoint is not None and now - status.last_checkpoint > due:
        found.append(f"{waiting} entries and no checkpoint for {now - status.last_checkpoint:.0f} s")
    return found


def _cache_config(given: str | None) -> dict[str, Any]:
    """The client's wishes for its own cache; raises BadRequest for what is no JSON object of these."""
    if given is None:
        return {}
    try:
        config = json.loads(given)
    except ValueError:
        raise BadRequest("cache_config", "not JSON") from None
    if not isinstance(config, dict) or set(config) - {"memory_size", "disk_size", "disk_path"}:
        raise BadRequest("cache_config", "a JSON object of memory_size, disk_size and disk_path")
    for name in ("memory_size", "disk_size"):
        if name in config and not (isinstance(config[name], int) and config[name] >= 0):
            raise BadRequest(f"cache_config.{name}", "a number of bytes")
    return config


def _opening(base: str, config: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Protocol, storage options and options of `open`: a disk cache is fsspec's own `blockcache`."""
    options: dict[str, Any] = {"url": base}
    memory = config.get("memory_size")
    blocks = None if memory is None else max(1, memory // BLOCK_BYTES)
    reading = {} if blocks is None else {"cache_type": "blockcache", "cache_options": {"maxblocks": blocks}}
    open_options = {"block_size": BLOCK_BYTES, **reading} if reading else {}
    if "disk_path" not in config:
        return "cidbus", options, open_options
    disk = {"target_protocol": "cidbus", "target_options": options, "cache_storage": config["disk_path"]}
    return "blockcache", disk, open_options


def _cache_info(cache: dict[str, Any]) -> dict[str, Any]:
    memory, disk = cache.get("memory", {}), cache.get("disk", {})
    return {
        "memory_cache_size": memory.get("limit_bytes"),
        "disk_cache_size": disk.get("limit_bytes"),
        "disk_cache_path": disk.get("path"),
    }
