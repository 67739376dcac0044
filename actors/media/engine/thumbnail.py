"""One picture out of a video, upright, scaled and encoded."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ....schemas.errors import InvalidContent
from .opening import check_pixels, opened, picture_of, skip_others
from .remote import RemoteFile

__all__ = ["Shot", "thumbnail"]

# Between a key frame and the picture that is asked for; a longer way is cut short.
MAX_DECODED = 1500
MAX_MADE_PIXELS = 4096 * 4096

# How each format is encoded: codec, pixels, options, media type, ending.
ENCODINGS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "jpeg": ("mjpeg", "yuvj420p", {"qmin": "3", "qmax": "5"}, "image/jpeg"),
    "webp": ("libwebp", "yuv420p", {"quality": "80"}, "image/webp"),
    "png": ("png", "rgb24", {}, "image/png"),
}
# A picture that is turned by so many degrees is put upright by this filter.
TURNS = {90: "transpose=cclock", -90: "transpose=clock", 180: "hflip,vflip", -180: "hflip,vflip"}

Shot = dict[str, Any]


def thumbnail(file: RemoteFile, at_s: float, width: int, format_: str) -> tuple[bytes, Shot]:
    """The encoded picture, and the fields that `Thumbnail` has of it.

    Raises NotSupported if there is no picture in the file, InvalidContent if none can be decoded.
    """
    with opened(file) as container:
        stream = picture_of(container)
        skip_others(container, stream)
        frame = _shown_at(container, stream, at_s)
        shape = stream.sample_aspect_ratio or Fraction(1)
        picture = _scaled(_upright(frame), width, shape if frame.rotation % 180 == 0 else 1 / shape)
        content = _encoded(picture, format_)
        shown_s = 0.0 if frame.time is None else max(0.0, frame.time - _start_s(stream))
        return content, {
            "format": format_, "media_type": ENCODINGS[format_][3], "at_s": shown_s,
            "width": picture.width, "height": picture.height, "size_bytes": len(content),
        }  # fmt: skip


def _shown_at(container: InputContainer, stream: VideoStream, at_s: float) -> VideoFrame:
    """The last frame that begins at or before a time, or the first one there is."""
    stream.thread_type = "NONE"  # a single frame is decoded soonest without threads to be filled
    target_s = at_s + _start_s(stream)
    if at_s > 0 and stream.time_base is not None:
        container.seek(int(target_s / stream.time_base), stream=stream)
    found: VideoFrame | None = None
    for number, frame in enumerate(container.decode(stream)):
        if found is not None and frame.time is not None and frame.time > target_s:
            break
        found = frame
        if frame.time is None or number >= MAX_DECODED:
            break
    if found is None:
        raise InvalidContent("content", "no picture of it can be decoded")
    check_pixels(found.width, found.height)
    return found


def _start_s(stream: VideoStream) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _upright(frame: VideoFrame) -> VideoFrame:
    turn = TURNS.get(frame.rotation)
    if turn is None:
        return frame
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
    )
    last = source
    for each in turn.split(","):
        name, _, arguments = each.partition("=")
        following = graph.add(name, arguments or None)
        last.link_to(following)
        last = following
    last.link_to(graph.add("buffersink"))
    graph.configure()
    source.push(frame)
    turned = graph.pull()
    assert isinstance(turned, VideoFrame)
    return turned


def _scaled(frame: VideoFrame, width: int, shape: Fraction) -> VideoFrame:
    """The picture as it is to be seen, no wider than `width`; `shape` is a pixel's width by its height."""
    shown_width = max(1, round(frame.width * shape))
    new_width = _even(min(width, shown_width))
    new_height = _even(round(new_width * frame.height / shown_width))
    if new_width * new_height > MAX_MADE_PIXELS:
        raise InvalidContent("pixels", f"a thumbnail of more than {MAX_MADE_PIXELS}", limit=MAX_MADE_PIXELS)
    return frame.reformat(new_width, new_height, "rgb24")


def _even(length: int) -> int:
    return max(2, length - length % 2)


def _encoded(picture: VideoFrame, format_: str) -> bytes:
    codec, pixels, options, _ = ENCODINGS[format_]
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = picture.width, picture.height, pixels
    context.time_base = Fraction(1, 25)
    context.options = options
    ready = picture.reformat(format=pixels)
    ready.pts, ready.time_base = 0, context.time_base
    packets = [*context.encode(ready), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
