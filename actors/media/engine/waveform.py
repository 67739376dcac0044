"""The peaks of a sound, in the JSON of BBC's audiowaveform (its data format, version 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from av import AudioResampler

from ....schemas.errors import NotSupported
from ....schemas.media import MAX_POINTS
from .opening import MAX_DURATION_S, audio_of, duration_of, opened, skip_others
from .remote import RemoteFile

__all__ = ["Peaks", "waveform"]

DEFAULT_POINTS = 1000

Samples = npt.NDArray[np.int16]
Progress = Callable[[float], None]


class Peaks:
    """The lowest and the highest of each `samples_per_point` samples.

    There are never more than `limit` points: as soon as there are so many, each two become one, and from then
    on each stands for twice as many samples.
    """

    def __init__(self, samples_per_point: int, limit: int) -> None:
        self.samples_per_point = samples_per_point
        self.samples = 0
        self._limit = limit + limit % 2  # even, so that no point is left over when they are paired
        self._points: list[Samples] = []  # rows of (lowest, highest)
        self._count = 0
        self._rest: Samples = np.empty(0, np.int16)

    def add(self, samples: Samples) -> None:
        self.samples += len(samples)
        rest = np.concatenate([self._rest, samples])
        while count := min(len(rest) // self.samples_per_point, self._limit - self._count):
            groups, rest = np.split(rest, [count * self.samples_per_point])
            self._append(groups.reshape(count, -1))
            if self._count == self._limit:
                self._halve()
        self._rest = rest

    def _append(self, groups: Samples) -> None:
        self._points.append(np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1))
        self._count += len(groups)

    def _halve(self) -> None:
        pairs = np.concatenate(self._points).reshape(-1, 2, 2)
        self._points = [np.stack([pairs[:, :, 0].min(axis=1), pairs[:, :, 1].max(axis=1)], axis=1)]
        self._count //= 2
        self.samples_per_point *= 2

    def finish(self) -> Samples:
        """All points, the last of which may stand for fewer samples."""
        if len(self._rest):
            self._append(self._rest.reshape(1, -1))
            self._rest = self._rest[:0]
        return np.concatenate(self._points) if self._points else np.empty((0, 2), np.int16)


def waveform(
    file: RemoteFile, points: int | None, points_per_s: float | None, progress: Progress
) -> tuple[bytes, dict[str, Any]]:
    """The JSON, and the fields that `Waveform` has of it.

    Raises NotSupported if there is no sound in the file, and as `opened` does.
    """
    with opened(file) as container:
        stream = audio_of(container)
        if stream is None:
            raise NotSupported("there is no sound in it", field="content")
        skip_others(container, stream)
        rate = stream.codec_context.sample_rate
        duration_s = duration_of(container)
        peaks = _peaks_for(rate, duration_s, points, points_per_s)
        resampler = AudioResampler(format="s16", layout="mono", rate=rate)
        for frame in container.decode(stream):
            for mono in resampler.resample(frame):
                peaks.add(mono.to_ndarray()[0])
            if duration_s and frame.time is not None:
                progress(frame.time / duration_s)
            if peaks.samples > MAX_DURATION_S * rate:
                raise NotSupported("a sound longer than a day", limit=MAX_DURATION_S)
        for mono in resampler.resample(None):
            peaks.add(mono.to_ndarray()[0])
    content = _as_json(peaks, rate)
    count = -(-peaks.samples // peaks.samples_per_point)
    return content, {
        "points": count, "samples_per_point": peaks.samples_per_point, "sample_rate": rate,
        "duration_s": peaks.samples / rate, "size_bytes": len(content),
    }  # fmt: skip


def _peaks_for(rate: int, duration_s: float | None, points: int | None, points_per_s: float | None) -> Peaks:
    if points_per_s is not None:
        return Peaks(max(1, round(rate / points_per_s)), MAX_POINTS)
    wanted = points or DEFAULT_POINTS
    if duration_s is None:
        return Peaks(1, min(2 * wanted, MAX_POINTS))  # halved as often as it takes
    return Peaks(max(1, math.ceil(duration_s * rate / wanted)), MAX_POINTS)


def _as_json(peaks: Peaks, rate: int) -> bytes:
    found = peaks.finish() >> 8
    return orjson.dumps(
        {
            "version": 2, "channels": 1, "sample_rate": rate, "samples_per_pixel": peaks.samples_per_point,
            "bits": 8, "length": len(found), "data": np.ascontiguousarray(found.reshape(-1)),
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )  # fmt: skip
