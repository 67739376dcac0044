"""Containers opened as strangers' files have to be: known formats alone, nothing beside the file itself.

FFmpeg reads formats that name other files and addresses (playlists, concat scripts). None of those is on the
list, and whatever wants to open a second file is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from ....schemas.errors import InvalidContent, NotSupported
from .remote import RemoteFile

__all__ = [
    "MAX_DURATION_S",
    "audio_of",
    "check_pixels",
    "duration_of",
    "opened",
    "picture_of",
    "skip_others",
    "video_of",
]

MAX_PIXELS = 64 * 2**20  # 8192 × 8192
MAX_DURATION_S = 24 * 3600.0
MAX_STREAMS = 64

S = TypeVar("S", VideoStream, AudioStream)

CONTAINERS = (
    "mov mp4 m4a 3gp 3g2 mj2 matroska webm ogg avi flv mpeg mpegts asf ivf mp3 wav w64 flac aac aiff caf au "
    "amr ac3 eac3 h264 hevc m4v gif apng jpeg_pipe png_pipe webp_pipe bmp_pipe tiff_pipe"
)
OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS.split()),
    "protocol_whitelist": "none",
    "max_streams": str(MAX_STREAMS),
    "probesize": str(5 * 2**20),
}


@contextmanager
def opened(file: RemoteFile) -> Iterator[InputContainer]:
    """The file's container, closed on leaving.

    Raises InvalidContent, here and for what goes wrong inside the `with`, where FFmpeg cannot read it.
    """
    try:
        with av.open(file, "r", options=OPTIONS, metadata_errors="replace", io_open=_refuse) as container:
            assert isinstance(container, InputContainer)
            _check(container)
            yield container
    except (MemoryError, OverflowError) as error:
        raise InvalidContent("content", "it takes more memory than a file may") from error
    except FFmpegError as error:
        what = (error.strerror or str(error)).lower()
        raise InvalidContent("content", f"FFmpeg cannot read it: {what}") from error


def _refuse(url: str, flags: int, options: Any) -> NoReturn:
    raise InvalidContent("content", "it refers to other files")


def _check(container: InputContainer) -> None:
    duration_s = duration_of(container)
    if duration_s is not None and duration_s > MAX_DURATION_S:
        raise InvalidContent("duration", "longer than a day", limit=MAX_DURATION_S)
    for stream in _known(container.streams.video):
        check_pixels(stream.codec_context.width, stream.codec_context.height)


def check_pixels(width: int, height: int) -> None:
    """Raises InvalidContent for a picture that is larger than any that is worked on."""
    if width * height > MAX_PIXELS:
        raise InvalidContent("pixels", f"a picture of more than {MAX_PIXELS}", limit=MAX_PIXELS)


def duration_of(container: InputContainer) -> float | None:
    """Seconds, where the container says so."""
    return None if container.duration is None else max(0.0, container.duration / av.time_base)


def video_of(container: InputContainer) -> VideoStream | None:
    """The first stream of moving pictures: a cover is none."""
    streams = _known(container.streams.video)
    return next((s for s in streams if not s.disposition & Disposition.attached_pic), None)


def picture_of(container: InputContainer) -> VideoStream:
    """The first stream of pictures, or the cover of a sound; raises NotSupported if there is none."""
    found = video_of(container) or next(iter(_known(container.streams.video)), None)
    if found is None:
        raise NotSupported("there is no picture in it", field="content")
    return found


def audio_of(container: InputContainer) -> AudioStream | None:
    return next(iter(_known(container.streams.audio)), None)


def skip_others(container: InputContainer, wanted: Stream) -> None:
    """Read no packets but those of one stream, where the format has them apart."""
    for stream in container.streams:
        if stream.index != wanted.index:
            stream.discard = Discard.all


def _known(streams: Iterable[S]) -> list[S]:
    """Those whose codec FFmpeg knows: others have no codec context, whatever their type says."""
    return [stream for stream in streams if getattr(stream, "codec_context", None) is not None]
