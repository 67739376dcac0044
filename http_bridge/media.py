"""Media types: by a name's ending, else from the first bytes (the WHATWG MIME sniffing standard).

Nothing is ever taken for HTML by its bytes: what a page may run is decided by whoever named the file.
"""

from __future__ import annotations

import codecs
import mimetypes

__all__ = ["DEFAULT", "SNIFFED_BYTES", "by_name", "by_bytes", "runs_scripts"]

DEFAULT = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
SNIFFED_BYTES = 512

# The endings that Python knows by itself: what a machine's own tables add would make two bridges differ.
_KNOWN = mimetypes.MimeTypes().types_map[True] | {
    ".avif": "image/avif",
    ".car": "application/vnd.ipld.car",
    ".flac": "audio/flac",
    ".gz": "application/gzip",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4a": "audio/mp4",
    ".m4s": "video/iso.segment",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".ndjson": "application/x-ndjson",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".otf": "font/otf",
    ".parquet": "application/vnd.apache.parquet",
    ".rst": "text/plain",
    ".toml": "application/toml",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zst": "application/zstd",
}
_WITH_CHARSET = ("text/", "application/json", "application/javascript", "application/x-ndjson")
_SCRIPTED = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xml"})

# First bytes -> type; the table of the standard, section 6, but for HTML and XML.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"fLaC", "audio/flac"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x00asm", "application/wasm"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"OTTO", "font/otf"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"PAR1", "application/vnd.apache.parquet"),
)
# These begin like words do, so they count only before bytes that are not text.
_LIKE_WORDS = ((b"BM", "image/bmp"), (b"ID3", "audio/mpeg"))
_FIRST_BYTES = frozenset(signature[0] for signature, _ in _SIGNATURES) | {ord("R"), ord("F"), 0}
_RIFF = {b"WEBPVP": "image/webp", b"WAVE": "audio/wave", b"AVI ": "video/avi"}
# The standard's "binary data bytes": text has none of them.
_BINARY = bytes((*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)))


def by_name(name: str) -> str | None:
    """The type that a file name's ending says, or None if it says nothing known."""
    dot = name.rfind(".")
    found = _KNOWN.get(name[dot:].lower()) if dot >= 0 else None
    if found is not None and found.startswith(_WITH_CHARSET):
        return f"{found}; charset=utf-8"
    return found


def by_bytes(first: bytes | memoryview) -> str:
    """The type that the first bytes show: a known signature, UTF-8 text, or unknown bytes."""
    start = bytes(first[:SNIFFED_BYTES])
    if not start:
        return TEXT
    if start[0] in _FIRST_BYTES:
        for signature, media_type in _SIGNATURES:
            if start.startswith(signature):
                return media_type
        if (found := _by_container(start)) is not None:
            return found
    if len(start.translate(None, _BINARY)) == len(start) and _is_utf8(start):
        return TEXT
    return next((media_type for signature, media_type in _LIKE_WORDS if start.startswith(signature)), DEFAULT)


def _by_container(start: bytes) -> str | None:
    if start.startswith(b"RIFF"):
        return next((kind for mark, kind in _RIFF.items() if start.startswith(mark, 8)), None)
    if start.startswith(b"FORM") and start.startswith(b"AIFF", 8):
        return "audio/aiff"
    if start[4:8] == b"ftyp":
        return "image/avif" if start[8:12] == b"avif" else "video/mp4"
    return None


def _is_utf8(start: bytes) -> bool:
    if start.isascii():
        return True
    try:
        # A character may be cut at the end of the sample, not of the content.
        codecs.utf_8_decode(start, "strict", len(start) < SNIFFED_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def runs_scripts(media_type: str) -> bool:
    """Whether a browser would run what a document of this type says, so that it has to be sandboxed."""
    return media_type.partition(";")[0] in _SCRIPTED
