"""What content is taken for."""

from __future__ import annotations

import pytest

from cidbus.http_bridge import media
from cidbus.http_bridge.naming import disposition, etag_of, ipfs_path

TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"", TEXT),
        (b"hello\n", TEXT),
        ("grüße".encode(), TEXT),
        ("ü".encode() * 256, TEXT),
        (b"x" + "ü".encode() * 256, TEXT),
        (b"BMW and ID3", TEXT),
        (b"<!doctype html><script>", TEXT),
        (b"\xc3", media.DEFAULT),
        (b"a\x00b", media.DEFAULT),
        (b"\xff\xfe", media.DEFAULT),
        (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVE", "audio/wave"),
        (b"BM\x00\x01", "image/bmp"),
        (b"ID3\x03\x00", "audio/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"\x00\x00\x00\x18ftypavif", "image/avif"),
        (b"\x1f\x8b\x08\x00", "application/gzip"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x00asm\x01", "application/wasm"),
    ],
)
def test_the_first_bytes_show_the_type(first, kind):
    assert media.by_bytes(first) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", TEXT),
        ("A.HTML", "text/html; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.tar.gz", "application/gzip"),
        ("photo.JPeG", "image/jpeg"),
        ("a.parquet", "application/vnd.apache.parquet"),
        ("a.unknown", None),
        ("README", None),
        ("", None),
    ],
)
def test_the_ending_of_a_name_says_the_type(name, kind):
    assert media.by_name(name) == kind


def test_types_that_run_scripts_are_known():
    assert all(media.runs_scripts(t) for t in ("text/html; charset=utf-8", "image/svg+xml", "text/xml"))
    assert not any(media.runs_scripts(t) for t in (TEXT, "image/png", "application/pdf"))


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a", 'inline; filename="a"'),
        ("a b.txt", 'inline; filename="a b.txt"'),
        ('x"y\\z', 'inline; filename="x_y_z"'),
        ("ü.txt", "inline; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ("\r\n", 'inline; filename="file"'),
    ],
)
def test_a_file_name_cannot_leave_its_header(name, header):
    assert disposition(name, attachment=False) == header


def test_a_tag_is_a_legal_entity_tag_whatever_the_cid():
    for cid, path in (("bafy", ""), ('"\r\n', ""), ("bafy", 'ü/"x"'), ("x" * 512, "")):
        tag = etag_of(cid, path)
        assert tag.isascii()
        assert tag.isprintable()
        assert '"' not in tag[1:-1]
        assert len(tag) <= 514
    assert ipfs_path("bafy", "/a b/") == "/ipfs/bafy/a%20b"
