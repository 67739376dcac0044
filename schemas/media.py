"""What is said to and by the media actor: what a file holds, and what can be made of it.

Whatever is made is content itself. It is remembered: asking again for the same of the same content is
answered at once, with `cached`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .ipfs import SizeBytes
from .wire import CidText, PathText, Reply, Wire

MAX_POINTS = 200_000
MAX_WIDTH = 4096

StreamType = Literal["video", "audio", "subtitle", "data", "attachment"]
MediaKind = Literal["hls", "thumbnail", "waveform"]
ImageFormat = Literal["jpeg", "webp", "png"]
Seconds = Annotated[float, Field(ge=0)]

JobId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="What events call this work, and `media.cancel` ends it by; the caller's choice",
    ),
]


class MediaFile(Wire):
    """A file of audio, video or a picture."""

    cid: CidText
    path: PathText = ""


# ---- what a file holds --------------------------------------------------------------------------------


class Probe(MediaFile):
    """What the container and its streams say of themselves; nothing is decoded."""


class MediaStream(Reply):
    """One stream of a container; what its type has not, or the file does not say, is left out."""

    index: int
    type: StreamType
    codec: str
    profile: str | None = None
    language: str | None = None
    duration_s: Seconds | None = None
    bit_rate: Annotated[int | None, Field(description="Bits a second, as the file claims")] = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    pixel_format: str | None = None
    sample_rate: Annotated[int | None, Field(description="Hz")] = None
    channels: int | None = None
    layout: str | None = None


class Probed(Reply):
    """`cid` is the file's own, also where a path was asked for."""

    cid: str
    container: Annotated[str, Field(description="FFmpeg's name of the format, such as `matroska,webm`")]
    size_bytes: SizeBytes
    duration_s: Seconds | None = None
    bit_rate: int | None = None
    streams: list[MediaStream]


# ---- what is made of it -------------------------------------------------------------------------------


class Making(MediaFile):
    """What every request for something made has: a name for the work, and whether the result is pinned.

    Without a pin the result is kept as long as the actor's settings say.
    """

    id: JobId | None = None
    pin: bool = False


class PackageHls(Making):
    """The file as HLS (RFC 8216): fragmented MP4 segments of about `segment_s` seconds, cut at key frames.

    Nothing is encoded anew, so only codecs that fragmented MP4 carries can be packaged. The first video and
    the first audio stream are taken.
    """

    segment_s: Annotated[float, Field(ge=1, le=60)] = 6.0


class Made(Reply):
    """What every result has: its CID, that of the file it was made of, and whether it was made before."""

    cid: str
    source_cid: str
    cached: bool = False


class Hls(Made):
    """`cid` is a directory with `master.m3u8`, the playlist `index.m3u8`, `init.mp4` and the segments; it
    plays from `/ipfs/<cid>/master.m3u8`."""

    master_cid: str
    playlist_cid: str
    segments: Annotated[int, Field(ge=1)]
    duration_s: Seconds
    size_bytes: Annotated[int, Field(ge=0, description="Of all files of the directory")]
    codecs: list[str]


class MakeThumbnail(Making):
    """The picture that is shown at `at_s`, or the last one of a shorter video, no wider than `width`."""

    at_s: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    width: Annotated[int, Field(ge=16, le=MAX_WIDTH)] = 320
    format: ImageFormat = "jpeg"


class Thumbnail(Made):
    """`at_s` is when the picture is shown. A small picture is not made larger."""

    format: ImageFormat
    media_type: str
    at_s: Seconds
    width: int
    height: int
    size_bytes: SizeBytes


class MakeWaveform(Making):
    """The peaks of the first audio stream: about `points` of them in all, or `points_per_s`."""

    points: Annotated[int | None, Field(ge=1, le=MAX_POINTS)] = None
    points_per_s: Annotated[float | None, Field(gt=0, le=1000)] = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if self.points is not None and self.points_per_s is not None:
            raise ValueError("give `points` or `points_per_s`, not both")
        return self


class Waveform(Made):
    """`cid` is JSON as BBC's audiowaveform writes it (version 2, 8 bits), which peaks.js draws. Where there
    would be more than 200,000 points, each stands for twice as many samples."""

    points: SizeBytes
    samples_per_point: Annotated[int, Field(ge=1)]
    sample_rate: int
    duration_s: Seconds
    size_bytes: SizeBytes


# ---- work under way -----------------------------------------------------------------------------------


class CancelMedia(Wire):
    """Nobody waits for this work any more. It ends if nobody else does either."""

    id: JobId


class CancelledMedia(Reply):
    """Passed on to every instance; which of them does that work is not known."""

    id: str


class MediaProgress(Reply):
    """Work on a file has come further, or has ended. `fraction` is missing where the file does not say how
    long it is; `result` is what was made."""

    id: str
    cid: Annotated[str, Field(description="Of the file it is made of")]
    kind: MediaKind
    state: Literal["running", "done", "failed", "cancelled"]
    fraction: Annotated[float | None, Field(ge=0, le=1)] = None
    result: str | None = None
