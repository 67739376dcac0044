"""A file as HTTP Live Streaming: its packets in fragmented MP4, cut at key frames, none encoded anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from ....schemas.errors import InvalidContent, NotSupported
from ..frames import MASTER, PLAYLIST
from .opening import audio_of, duration_of, opened, video_of
from .remote import RemoteFile

__all__ = ["Output", "OutputFile", "package"]

INIT = "init.mp4"
MAX_SEGMENTS = 10_000

# What fragmented MP4 carries and players know.
VIDEO_CODECS = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9"})
AUDIO_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "flac", "alac"})

Progress = Callable[[float], None]


class OutputFile(Protocol):
    """A file of the result; FFmpeg writes it from start to end and closes it before it opens the next."""

    def write(self, piece: bytes) -> int: ...
    def close(self) -> None: ...


Output = Callable[[str], OutputFile]


def package(file: RemoteFile, segment_s: float, output: Output, progress: Progress) -> dict[str, Any]:
    """Write the segments, then the playlists; what `Hls` tells of them.

    Raises NotSupported for a codec that would have to be encoded anew, and as `opened` does.
    """
    with opened(file) as container:
        files = _Files(output, most_bytes=2 * file.size_bytes + 2**20)
        streams = _streams_of(container)
        duration_s = _remux(container, streams, segment_s, files, progress)
        return {
            "segments": files.segments, "duration_s": duration_s, "size_bytes": files.bytes,
            "codecs": [stream.codec_context.name for stream in streams],
        }  # fmt: skip


def _streams_of(container: InputContainer) -> list[Any]:
    """The first video and the first audio; raises NotSupported if there is neither, or for their codecs."""
    found: list[Any] = [s for s in (video_of(container), audio_of(container)) if s is not None]
    if not found:
        raise NotSupported("there is neither video nor audio in it", field="content")
    for stream in found:
        codec = stream.codec_context.name
        if codec not in (VIDEO_CODECS if stream.type == "video" else AUDIO_CODECS):
            raise NotSupported(
                f"{stream.type} in {codec} cannot be packaged without encoding it anew",
                field="content", codec=codec,
            )  # fmt: skip
    return found


def _remux(
    container: InputContainer, streams: list[Any], segment_s: float, files: _Files, progress: Progress
) -> float:
    """Copy the packets of these streams; returns how many seconds there are."""
    options = {
        "hls_segment_type": "fmp4",
        "hls_time": f"{segment_s:g}",
        "hls_playlist_type": "vod",
        "hls_list_size": "0",
        "hls_flags": "independent_segments",
        "hls_fmp4_init_filename": INIT,
        "hls_segment_filename": "segment-%05d.m4s",
        "master_pl_name": MASTER,
    }
    whole_s = duration_of(container) or 0.0
    span = _Span()
    with av.open(PLAYLIST, "w", format="hls", options=options, io_open=files.open) as packaged:
        assert isinstance(packaged, OutputContainer)
        copies = {stream.index: _Copy(packaged, stream) for stream in streams}
        for packet in container.demux(streams):
            if packet.dts is None:
                continue  # the end of a stream
            files.admit(packet.size)
            span.include(packet)
            copies[packet.stream.index].mux(packet)
            if whole_s:
                progress(span.duration_s / whole_s)
    if not files.segments:
        raise InvalidContent("content", "there is nothing in its streams")
    return span.duration_s


class _Span:
    """From when to when packets are shown."""

    def __init__(self) -> None:
        self._start_s, self._end_s = float("inf"), 0.0

    def include(self, packet: Packet[Any]) -> None:
        if packet.pts is not None and packet.time_base is not None:
            self._start_s = min(self._start_s, float(packet.pts * packet.time_base))
            end = packet.pts + (packet.duration or 0)
            self._end_s = max(self._end_s, float(end * packet.time_base))

    @property
    def duration_s(self) -> float:
        return max(0.0, self._end_s - self._start_s)


class _Copy:
    """One stream of the result. Broadcast AAC has a header in each packet, which MP4 has once for all."""

    def __init__(self, packaged: OutputContainer, source: Any) -> None:
        self._packaged = packaged
        self._stream = packaged.add_stream_from_template(source)
        codec = source.codec_context
        self._filter: BitStreamFilterContext | None = None
        if codec.name == "aac" and not codec.extradata:
            self._filter = BitStreamFilterContext("aac_adtstoasc", source, self._stream)

    def mux(self, packet: Packet[Any]) -> None:
        for each in [packet] if self._filter is None else self._filter.filter(packet):
            each.stream = self._stream
            self._packaged.mux(each)


class _Files:
    """The files that FFmpeg opens, counted; and what goes into them, which is bounded: the tables of a small
    source may claim the same bytes over and over."""

    def __init__(self, output: Output, most_bytes: int) -> None:
        self._output = output
        self._most_bytes = most_bytes
        self._admitted_bytes = 0
        self.segments = 0
        self.bytes = 0

    def admit(self, size: int) -> None:
        """Raises InvalidContent if a packet of this size is too much, or if there are too many segments."""
        self._admitted_bytes += size
        if self._admitted_bytes > self._most_bytes:
            raise InvalidContent("content", "it is much larger packaged than it is", limit=self._most_bytes)
        if self.segments > MAX_SEGMENTS:
            raise InvalidContent("segments", "too many: take a longer `segment_s`", limit=MAX_SEGMENTS)

    def open(self, url: str, flags: int, options: Any) -> _File:
        self.segments += url.endswith(".m4s")
        return _File(self, self._output(url.rpartition("/")[2]))


class _File:
    def __init__(self, files: _Files, file: OutputFile) -> None:
        self._files = files
        self._file = file

    def write(self, piece: bytes) -> int:
        self._files.bytes += len(piece)
        return self._file.write(piece)

    def close(self) -> None:
        self._file.close()
