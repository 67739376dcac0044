"""The media actor: what files of sound and pictures hold, and what can be made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from ...bus import Actor, handles
from ...schemas import media
from ...schemas.subjects import HLS, LET_GO, MEDIA_CANCEL, PROBE, THUMBNAIL, WAVEFORM
from .making import HLS_KIND, THUMBNAIL_KIND, WAVEFORM_KIND, Maker
from .settings import MediaSettings
from .source import Source
from .workers import Job, Workers

__all__ = ["MediaActor"]

DAY_S = 86_400.0


class MediaActor(Actor):
    """Passes files to worker processes, and what they make to the ipfs actor. It owns nothing but them."""

    name = "media"

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The actor as its settings want it; what it makes is with the ipfs actor, so it has no folder."""
        return cls(MediaSettings.read())

    async def on_start(self) -> None:
        told = self._settings
        self.workers = Workers(told.workers, told.waiting, told.worker_memory, told.worker_idle_s)
        self._maker = Maker(self.bus, self.workers, told.keep_days * DAY_S)

    async def on_stop(self) -> None:
        await self._maker.close()
        await self.workers.close()

    @handles(PROBE)
    async def probe(self, ask: media.Probe) -> media.Probed:
        """Raises NotFound, NotAFile, and InvalidContent for what is no sound or picture."""
        source = await Source.find(self.bus, ask)
        told = await self.workers.run(
            Job({"kind": "probe", "size_bytes": source.size_bytes}, source.read, timeout_s=PROBE.timeout_s)
        )
        return media.Probed(cid=source.cid, **told)

    @handles(HLS)
    async def hls(self, ask: media.PackageHls) -> media.Hls:
        """Raises as `probe` does, and NotSupported for a codec that would have to be encoded anew."""
        return await self._maker.make(HLS_KIND, ask)

    @handles(THUMBNAIL)
    async def thumbnail(self, ask: media.MakeThumbnail) -> media.Thumbnail:
        """Raises as `probe` does, and NotSupported where there is no picture."""
        return await self._maker.make(THUMBNAIL_KIND, ask)

    @handles(WAVEFORM)
    async def waveform(self, ask: media.MakeWaveform) -> media.Waveform:
        """Raises as `probe` does, and NotSupported where there is no sound."""
        return await self._maker.make(WAVEFORM_KIND, ask)

    @handles(MEDIA_CANCEL)
    async def cancel(self, ask: media.CancelMedia) -> media.CancelledMedia:
        """Every instance is told: which of them does the work is not known here."""
        told = media.CancelledMedia(id=ask.id)
        await self.bus.publish(LET_GO, told)
        return told

    @handles(LET_GO)
    async def let_go(self, event: media.CancelledMedia) -> None:
        self._maker.give_up(event.id)
