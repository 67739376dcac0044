"""Test media made on the spot by FFmpeg's own signal sources: a moving pattern and a tone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import av
from av.container import OutputContainer

__all__ = ["sample", "turned"]


def sample(
    duration_s: float = 10,
    *,
    size: str = "640x360",
    container: str = "mp4",
    video: str | None = "libx264",
    audio: str | None = "aac",
    fps: int = 30,
    keyframe_every: int = 60,
    container_options: dict[str, str] | None = None,
) -> bytes:
    """A file of this container with these codecs; its picture shows the time, its sound is 440 Hz."""
    target = io.BytesIO()
    with av.open(target, "w", format=container, options=container_options or {}) as output:
        streams = []
        if video is not None:
            streams.append(_video_stream(output, video, size, fps, keyframe_every))
        if audio is not None:
            streams.append(output.add_stream(audio, rate=48000, layout="stereo"))
        for stream in streams:
            frames = _pictures(size, fps, duration_s) if stream.type == "video" else _tone(stream, duration_s)
            for frame in frames:
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return target.getvalue()


def _video_stream(output: OutputContainer, codec: str, size: str, fps: int, keyframe_every: int) -> Any:
    stream: Any = output.add_stream(codec, rate=fps)
    stream.width, stream.height = map(int, size.split("x"))
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size = keyframe_every
    stream.options = (
        {"preset": "ultrafast"} if codec == "libx264" else {"deadline": "realtime", "cpu-used": "8"}
    )
    return stream


def _pictures(size: str, fps: int, duration_s: float) -> Iterator[Any]:
    with av.open(f"testsrc2=size={size}:rate={fps}:duration={duration_s}", format="lavfi") as source:
        yield from source.decode(video=0)


def _tone(stream: Any, duration_s: float) -> Iterator[Any]:
    context = stream.codec_context
    resampler = av.AudioResampler(
        format=context.format, layout="stereo", rate=48000, frame_size=context.frame_size or 1024
    )
    with av.open(f"sine=frequency=440:sample_rate=48000:duration={duration_s}", format="lavfi") as source:
        for frame in source.decode(audio=0):
            yield from resampler.resample(frame)
    yield from resampler.resample(None)


def turned(mp4: bytes) -> bytes:
    """The same MP4 as a phone held upright would have written it: shown a quarter turn clockwise.

    Its track header (ISO 14496-12, 8.3.2) has the matrix 52 bytes after its name, from version 0 on 40 bytes.
    """
    at = mp4.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    matrix = b"".join(number.to_bytes(4, "big", signed=True) for number in quarter)
    return mp4[:at] + matrix + mp4[at + 36 :]
