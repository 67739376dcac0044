"""What all answers share: the opened cache and index, and what goes on in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

import orjson

from ....bus import SIMULATED, Actor
from ....schemas.errors import NotSupported
from ..content.tiers import CacheOptions, ContentCache
from ..index.index import CidIndex, IndexOptions
from ..index.layout import Layout
from ..optimize.observed import Observed
from ..settings import CacheSettings

__all__ = ["Parts"]

log = logging.getLogger(__name__)

TEND_EVERY_S = 5.0
CACHE_EVERY_S = 60.0


class Parts(Actor):
    """One node's cache folder, opened."""

    name = "cache"

    cache: ContentCache

    def __init__(self, settings: CacheSettings, folder: Path) -> None:
        self._settings = settings
        if settings.simulated:
            self.reply_headers = {SIMULATED: "true"}
        self._content_folder = (settings.disk_path or folder / "content").expanduser()
        self._index_folder = (settings.parquet_cache_path or folder / "index").expanduser()
        self._index: CidIndex | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._observed_path = self._index_folder / "observed.json"
        self.observed = Observed()

    async def on_start(self) -> None:
        """Opens both, recovering what a crash has left. Raises Conflict if another process has the index."""
        settings = self._settings
        if settings.enable_parquet_cache:
            options = IndexOptions(
                half_life_s=settings.heat_half_life,
                layout=Layout(partition_rows=settings.parquet_max_partition_rows),
                sync_interval_s=settings.parquet_sync_interval,
                auto_sync=settings.parquet_auto_sync,
            )
            self._index = await asyncio.to_thread(CidIndex.open, self._index_folder, options)
            self.observed = _read_observed(self._observed_path)
        self.cache = await ContentCache.open(
            self._content_folder,
            CacheOptions(
                memory_bytes=settings.memory_limit,
                disk_bytes=settings.disk_limit,
                policy=settings.policy,
                negative_life_s=settings.negative_ttl,
            ),
            on_move=self.moved,
        )
        self._tasks.append(asyncio.create_task(self._tend()))

    async def on_stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.cache.close()
        if self._index is not None:
            self._keep_observed()
            await asyncio.to_thread(self._index.close)

    def shortcuts(self) -> dict[Any, Any]:
        """None where each answer has to say that it is made up."""
        return {} if self._settings.simulated else super().shortcuts()

    @property
    def index(self) -> CidIndex:
        """The index; raises NotSupported where it is switched off."""
        if self._index is None:
            raise NotSupported("the CID index is off: enable_parquet_cache is false")
        return self._index

    def moved(self, key: str, tier: str | None) -> None:
        """Content has come into a tier, or is in none any more."""
        raise NotImplementedError

    @staticmethod
    def now() -> float:
        return time.time()

    def _keep_observed(self) -> None:
        """Write what was observed of questions, so that it is known after a restart too."""
        draft = self._observed_path.with_suffix(".new")
        draft.write_bytes(orjson.dumps(self.observed.state()))
        draft.replace(self._observed_path)

    async def _tend(self) -> None:
        """Write, merge and sync what is due, for as long as the actor lives."""
        cache_due_s = CACHE_EVERY_S
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            cache_due_s -= TEND_EVERY_S
            try:
                if self._index is not None:
                    await asyncio.to_thread(self._index.tend)
                if cache_due_s <= 0:
                    cache_due_s = CACHE_EVERY_S
                    await self.cache.tend()
                    if self._index is not None:
                        self._keep_observed()
            except Exception:
                log.exception("upkeep failed; trying again in %g s", TEND_EVERY_S)


def _read_observed(path: Path) -> Observed:
    """What was observed before; nothing if there is no such file or it cannot be read."""
    try:
        return Observed.from_state(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return Observed()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read (%s); questions are observed anew", path, error)
        return Observed()
