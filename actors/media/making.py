"""How something is made: by a worker, of a source, into a draft that becomes a result.

    [ask] -> source -> made before? -> a job, shared with whoever asks for the same -> draft -> kept

Whatever ends a job on the way, its draft is dropped and its end is told.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ...schemas import media
from ...schemas.subjects import HLS, PROGRESSED, THUMBNAIL, WAVEFORM
from .frames import CONTENT, MASTER, PLAYLIST
from .jobs import Jobs
from .kept import Draft, Kept, name_of
from .source import Source
from .workers import Job, Workers

if TYPE_CHECKING:
    from ...bus import Bus

__all__ = ["HLS_KIND", "THUMBNAIL_KIND", "WAVEFORM_KIND", "Kind", "Maker"]

M = TypeVar("M", bound=media.Made)
State = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Kind(Generic[M]):
    """A sort of result: its name, its model, how long it may take, and what it is called in its folder."""

    name: media.MediaKind
    model: type[M]
    timeout_s: float
    content_name: str
    finish: Callable[[Draft], Awaitable[dict[str, str]]]


async def _directory(draft: Draft) -> dict[str, str]:
    files = draft.files
    return {
        "cid": await draft.directory(),
        "master_cid": files[MASTER],
        "playlist_cid": files[PLAYLIST],
    }


async def _single(draft: Draft) -> dict[str, str]:
    return {"cid": draft.files[CONTENT]}


HLS_KIND = Kind("hls", media.Hls, HLS.timeout_s, "hls", _directory)
THUMBNAIL_KIND = Kind("thumbnail", media.Thumbnail, THUMBNAIL.timeout_s, "thumbnail", _single)
WAVEFORM_KIND = Kind("waveform", media.Waveform, WAVEFORM.timeout_s, "waveform.json", _single)


class Maker:
    """Makes results, or finds them."""

    def __init__(self, bus: Bus, workers: Workers, keep_s: float) -> None:
        self._bus = bus
        self._workers = workers
        self._kept = Kept(bus, keep_s)
        self._jobs = Jobs()

    async def make(self, kind: Kind[M], ask: media.Making) -> M:
        """The result, and its pin if that is asked for. Whoever asks may `give_up` by the id of the ask.

        Raises what the source, the worker and the ipfs actor raise.
        """
        source = await Source.find(self._bus, ask)
        params = ask.model_dump(exclude={"cid", "path", "id", "pin"})
        name = name_of(kind.name, source.cid, params)
        result = await self._kept.find(name, kind.model)
        if result is None:
            task = {"kind": kind.name, "size_bytes": source.size_bytes, **params}
            job_id = ask.id or secrets.token_hex(8)
            work = partial(self._work, kind, source, name, task, job_id)
            result = await self._jobs.share(name, job_id, work)
        if ask.pin:
            await self._kept.pin(result.cid, name)
        return result

    def give_up(self, job_id: str) -> None:
        """Whoever waits under this id does so no more."""
        self._jobs.give_up(job_id)

    async def close(self) -> None:
        await self._jobs.close()

    async def _work(self, kind: Kind[M], source: Source, name: str, task: dict[str, Any], job_id: str) -> M:
        """The whole of a job, told of as it goes; what it leaves in the draft is dropped in any case."""
        draft = Draft(self._bus, secrets.token_hex(8))
        state: State = "failed"
        made: M | None = None

        async def tell(fraction: float | None, now: State = "running") -> None:
            told = media.MediaProgress(
                id=job_id, cid=source.cid, kind=kind.name, state=now, fraction=fraction,
                result=None if made is None else made.cid,
            )  # fmt: skip
            for waiter in self._jobs.waiters(name) or [job_id]:
                await self._bus.publish(PROGRESSED, told.model_copy(update={"id": waiter}))

        try:
            await tell(0.0)
            told = await self._workers.run(Job(task, source.read, kind.timeout_s, draft.take, tell))
            made = kind.model.model_validate(told | await kind.finish(draft) | {"source_cid": source.cid})
            await self._kept.keep(name, made, kind.content_name)
            state = "done"
            return made
        except asyncio.CancelledError:
            state = "cancelled"
            raise
        finally:
            await draft.drop()
            await tell(1.0 if state == "done" else None, state)
