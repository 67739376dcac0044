"""What a file says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from .opening import duration_of, opened
from .remote import RemoteFile

__all__ = ["probe"]


def probe(file: RemoteFile) -> dict[str, Any]:
    """The fields of `Probed`, but for the CID; raises as `opened` does."""
    with opened(file) as container:
        return {
            "container": container.format.name,
            "size_bytes": file.size_bytes,
            "duration_s": duration_of(container),
            "bit_rate": container.bit_rate or None,
            "streams": [dict(_told(container, stream)) for stream in container.streams],
        }


def _told(container: InputContainer, stream: Stream) -> Iterator[tuple[str, Any]]:
    """What is known of one stream."""
    yield "index", stream.index
    yield "type", stream.type
    codec = getattr(stream, "codec_context", None)
    yield "codec", "unknown" if codec is None else codec.name
    yield "profile", stream.profile
    yield "language", stream.language
    if stream.duration is not None and stream.time_base is not None:
        yield "duration_s", max(0.0, float(stream.duration * stream.time_base))
    else:
        yield "duration_s", duration_of(container)
    if codec is None:
        return
    if isinstance(stream, VideoStream):
        context = stream.codec_context
        rate = stream.average_rate or stream.guessed_rate
        yield from (("width", context.width), ("height", context.height), ("bit_rate", context.bit_rate))
        yield from (("fps", float(rate) if rate else None), ("pixel_format", context.pix_fmt))
    elif isinstance(stream, AudioStream):
        sound = stream.codec_context
        yield from (("sample_rate", sound.sample_rate), ("channels", sound.channels))
        yield from (("layout", sound.layout.name), ("bit_rate", sound.bit_rate))
