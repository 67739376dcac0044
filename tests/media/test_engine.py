"""What is made of files, as a plain library: no bus, no processes."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import av
import numpy as np
import pytest

from cidbus.actors.media.engine.hls import package
from cidbus.actors.media.engine.probing import probe
from cidbus.actors.media.engine.remote import BLOCK_BYTES, HELD_BLOCKS, RemoteFile
from cidbus.actors.media.engine.thumbnail import thumbnail
from cidbus.actors.media.engine.waveform import Peaks, waveform
from cidbus.schemas.errors import InvalidContent, NotSupported

from .samples import sample, turned


def remote(content: bytes) -> RemoteFile:
    return RemoteFile(len(content), lambda offset, length: content[offset : offset + length])


class Folder:
    """The files that packaging writes; only one of them is open at a time."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.closed = True

    def __call__(self, name: str) -> Any:
        assert self.closed
        self.files[name], self.closed = b"", False
        folder = self

        class File:
            def write(self, piece: bytes) -> int:
                folder.files[name] += bytes(piece)
                return len(piece)

            def close(self) -> None:
                folder.closed = True

        return File()


def packaged(content: bytes, segment_s: float = 2) -> tuple[Folder, dict[str, Any]]:
    folder = Folder()
    return folder, package(remote(content), segment_s, folder, lambda fraction: None)


def picture(content: bytes) -> Any:
    with av.open(io.BytesIO(content)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


@pytest.fixture(scope="module")
def short() -> bytes:
    """Four seconds, with a key frame each second."""
    return sample(4, size="160x120", keyframe_every=30)


# ---- reading --------------------------------------------------------------------------------------------


def test_a_remote_file_reads_as_the_file_does():
    random_ = random.Random(5)
    content = random_.randbytes(5 * BLOCK_BYTES + 1234)
    asked: list[tuple[int, int]] = []

    def fetch(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return content[offset : offset + length]

    file, model = RemoteFile(len(content), fetch), io.BytesIO(content)
    for _ in range(2000):
        if random_.random() < 0.3:
            step = (random_.randrange(len(content) + 100), 0)
            step = random_.choice([step, (-random_.randrange(len(content)), 2)])
            assert file.seek(*step) == model.seek(*step)
        got = file.read(random_.randrange(1, 100_000))
        assert got == model.read(len(got))
        assert file.tell() == model.tell()
        assert got or file.tell() >= len(content)
    assert len(asked) <= 6  # nothing that is held is asked for again


def test_a_remote_file_holds_little_and_asks_for_more_where_reading_goes_forward():
    asked: list[int] = []

    def fetch(offset: int, length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    file = RemoteFile(100 * BLOCK_BYTES, fetch)
    while file.read(65536):
        assert len(file._blocks) <= HELD_BLOCKS
    assert asked[:3] == [BLOCK_BYTES, 2 * BLOCK_BYTES, 4 * BLOCK_BYTES]
    asked.clear()
    for block in (3, 60, 30):
        file.seek(block * BLOCK_BYTES)
        file.read(10)
    assert asked == [BLOCK_BYTES] * 3


# ---- probing --------------------------------------------------------------------------------------------


def test_probing_tells_of_container_and_streams(short: bytes):
    told = probe(remote(short))
    video, audio = told["streams"]
    assert "mp4" in told["container"]
    assert told["duration_s"] == pytest.approx(4, abs=0.1)
    assert told["size_bytes"] == len(short)
    assert (video["codec"], video["width"], video["height"], video["fps"]) == ("h264", 160, 120, 30.0)
    assert (audio["codec"], audio["channels"], audio["sample_rate"], audio["layout"]) == (
        "aac",
        2,
        48000,
        "stereo",
    )


@pytest.mark.parametrize(
    ("container", "video", "audio", "codecs"),
    [("webm", "libvpx-vp9", "libopus", ["vp9", "opus"]), ("wav", None, "pcm_s16le", ["pcm_s16le"]),
     ("mp3", None, "libmp3lame", ["mp3"]), ("mpegts", "libx264", "aac", ["h264", "aac"])],
)  # fmt: skip
def test_probing_knows_the_usual_formats(
    container: str, video: str | None, audio: str | None, codecs: list[str]
):
    content = sample(1, size="160x120", container=container, video=video, audio=audio)
    found = [stream["codec"] for stream in probe(remote(content))["streams"]]
    assert [codec.replace("mp3float", "mp3").replace("libvpx-", "") for codec in found] == codecs


# ---- thumbnails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["jpeg", "webp", "png"])
def test_a_thumbnail_shows_the_frame_of_its_time(short: bytes, format_: str):
    with av.open(io.BytesIO(short)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    for at_s, number in ((0.0, 0), (1.5, 45), (3.99, 119), (100.0, 119)):
        content, told = thumbnail(remote(short), at_s, 160, format_)
        assert told["at_s"] == pytest.approx(number / 30, abs=0.001)
        assert (told["width"], told["height"], told["size_bytes"]) == (160, 120, len(content))
        shown = picture(content)
        assert np.abs(shown - frames[number]).mean() < 12
        assert np.abs(shown - frames[(number + 60) % 120]).mean() > 12


def test_a_thumbnail_is_scaled_down_and_never_up(short: bytes):
    for width, size in ((80, (80, 60)), (41, (40, 30)), (4000, (160, 120))):
        content, told = thumbnail(remote(short), 0, width, "png")
        assert (told["width"], told["height"]) == size
        assert picture(content).shape == (size[1], size[0], 3)


def test_a_thumbnail_of_a_turned_video_is_upright(short: bytes):
    as_stored, _ = thumbnail(remote(short), 0, 160, "png")
    upright, told = thumbnail(remote(turned(short)), 0, 160, "png")
    assert (told["width"], told["height"]) == (120, 160)
    clockwise = np.rot90(picture(as_stored), -1)
    assert np.abs(picture(upright) - clockwise).mean() < 3


def test_a_picture_has_a_thumbnail_and_a_sound_has_none(short: bytes):
    png, _ = thumbnail(remote(short), 0, 160, "png")
    _, told = thumbnail(remote(png), 5, 100, "jpeg")
    assert (told["width"], told["height"]) == (100, 74)
    with pytest.raises(NotSupported, match="no picture"):
        thumbnail(remote(sample(1, container="wav", video=None, audio="pcm_s16le")), 0, 100, "jpeg")


# ---- waveforms ------------------------------------------------------------------------------------------


def test_a_waveform_has_the_peaks_of_the_samples():
    wav = sample(3, container="wav", video=None, audio="pcm_s16le")
    content, told = waveform(remote(wav), None, 100, lambda fraction: None)
    document = json.loads(content)
    assert document["samples_per_pixel"] == told["samples_per_point"] == 480
    assert document["length"] == told["points"] == 300
    with av.open(io.BytesIO(wav)) as container:
        left = np.concatenate(
            [frame.to_ndarray().reshape(-1, 2)[:, 0] for frame in container.decode(audio=0)]
        )
    groups = left.reshape(-1, 480)
    expected = np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1) >> 8
    assert np.abs(np.array(document["data"]).reshape(-1, 2) - expected).max() <= 1  # of 256


def test_peaks_are_the_same_however_the_samples_come():
    random_ = np.random.default_rng(7)
    samples = random_.integers(-(2**15), 2**15, 100_003, dtype=np.int16)
    for limit in (50, 1000, 100_000):
        peaks, at = Peaks(3, limit), 0
        while at < len(samples):
            size = int(random_.integers(1, 5000))
            peaks.add(samples[at : at + size])
            at += size
        points, each = peaks.finish(), peaks.samples_per_point
        assert len(points) <= limit
        assert len(points) == -(-len(samples) // each)
        for number in (0, len(points) // 2, len(points) - 1):
            part = samples[number * each : (number + 1) * each]
            assert (points[number, 0], points[number, 1]) == (part.min(), part.max())


def test_a_waveform_has_about_as_many_points_as_are_asked_for(short: bytes):
    for points in (1, 10, 777):
        _, told = waveform(remote(short), points, None, lambda fraction: None)
        assert points <= told["points"] <= points + 2
    with pytest.raises(NotSupported, match="no sound"):
        waveform(remote(sample(1, size="160x120", audio=None)), None, None, lambda fraction: None)


# ---- HLS ------------------------------------------------------------------------------------------------


def packets(content: bytes, kind: str) -> list[bytes]:
    with av.open(io.BytesIO(content)) as container:
        return [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]


def test_packaging_copies_every_packet_and_cuts_at_key_frames(short: bytes):
    folder, told = packaged(short, segment_s=2)
    segments = [name for name in sorted(folder.files) if name.endswith(".m4s")]
    assert told["segments"] == len(segments) == 2
    assert told["codecs"] == ["h264", "aac"]
    assert told["duration_s"] == pytest.approx(4, abs=0.1)
    assert told["size_bytes"] == sum(map(len, folder.files.values()))
    whole = folder.files["init.mp4"] + b"".join(folder.files[name] for name in segments)
    for kind in ("video", "audio"):
        assert packets(whole, kind) == packets(short, kind)
    for name in segments:  # each can be played from its beginning
        with av.open(io.BytesIO(folder.files["init.mp4"] + folder.files[name])) as container:
            assert next(container.demux(video=0)).is_keyframe
    assert folder.files["index.m3u8"].count(b"#EXTINF:2.000000,") == 2
    assert b'CODECS="avc1.' in folder.files["master.m3u8"]


@pytest.mark.parametrize(
    ("container", "video", "audio"),
    [("mpegts", "libx264", "aac"), ("matroska", "libx264", "libopus"), ("webm", "libvpx-vp9", "libopus"),
     ("mp3", None, "libmp3lame"), ("mp4", "libx264", None)],
)  # fmt: skip
def test_what_fragmented_mp4_carries_is_packaged(container: str, video: str | None, audio: str | None):
    content = sample(2, size="160x120", container=container, video=video, audio=audio, keyframe_every=30)
    folder, told = packaged(content, segment_s=1)
    assert told["segments"] >= 2
    whole = b"".join(folder.files[name] for name in sorted(folder.files) if name.endswith((".mp4", ".m4s")))
    for kind in [kind for kind, codec in (("video", video), ("audio", audio)) if codec]:
        assert len(packets(whole, kind)) == len(packets(content, kind))


def test_a_codec_that_would_have_to_be_encoded_anew_is_named():
    for codec, container in (("mpeg4", "mp4"), ("mpeg2video", "mpegts")):
        with pytest.raises(NotSupported, match=codec) as caught:
            packaged(sample(1, size="160x120", container=container, video=codec))
        assert caught.value.codec == codec
    with pytest.raises(NotSupported, match="pcm_s16le"):
        packaged(sample(1, container="wav", video=None, audio="pcm_s16le"))


def test_a_file_that_claims_the_same_bytes_over_and_over_is_refused():
    """Its table of sample sizes says 1 MB for each picture, and all of them lie at one place."""
    content = bytearray(sample(4, size="160x120"))
    sizes = content.index(b"stsz") + 8
    content[sizes : sizes + 4] = (1_000_000).to_bytes(4, "big")
    per_chunk = content.index(b"stsc") + 16
    content[per_chunk : per_chunk + 4] = (1).to_bytes(4, "big")
    offsets = content.index(b"stco") + 8
    count = int.from_bytes(content[offsets : offsets + 4], "big")
    content[offsets + 4 : offsets + 4 + 4 * count] = (48).to_bytes(4, "big") * count
    content += bytes(1_000_000)
    with pytest.raises(InvalidContent, match="larger"):
        packaged(bytes(content))
