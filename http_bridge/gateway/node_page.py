"""The page about a DAG-CBOR or DAG-JSON node: its data as text, with its links to follow and to download it.

Source: path gateway ("Response Payload"), where a browser asks for such a block.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from html import escape

from .formats import Format
from .page_style import CONTENT_POLICY, FAVICON, STYLE
from .paths import ContentPath

__all__ = ["node_page", "CONTENT_POLICY", "VERSION"]

# Deeper levels are not indented further, so that a page is never much longer than its node.
MAX_INDENT = 24


def node_page(path: ContentPath, cid: str, codec_name: str, shown: bytes, gateway: str = "") -> bytes:
    """The page's bytes. `shown` is the node as valid DAG-JSON, or empty if it is too large to be shown.

    `gateway` is the URL of the gateway above, where this is an origin of its own.
    """
    title = escape(str(path).rstrip("/"), quote=False)
    tree = "".join(_tree(shown.decode(), f"{gateway}/ipfs/")) if shown else ""
    body = f"<pre>{tree}</pre>" if shown else "<p>This node is too large to be shown.</p>"
    formats = dict.fromkeys((codec_name, Format.DAG_JSON.value, Format.RAW.value, Format.CAR.value))
    links = " ".join(f'<a href="?format={name}">{_LABELS.get(name, escape(name))}</a>' for name in formats)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{FAVICON}">
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{_LABELS.get(codec_name, escape(codec_name))} node <span class="path">{title}</span></h1>
<p><code translate="no">{escape(cid)}</code></p>
<nav aria-label="Download this node">{links}</nav>
</header>
<main>
{body}
</main>
</body>
</html>
""".encode(errors="replace")


def _tree(text: str, below: str) -> Iterator[str]:
    """DAG-JSON laid out one value a line, with keys, texts and links marked up."""
    depth = 0
    for found in _TOKEN.finditer(text):
        if (cid := found["link"]) is not None:
            yield f'<a href="{below}{cid}">{cid}</a>'
        elif (key := found["key"]) is not None:
            yield f"<b>{escape(key, quote=False)}</b>: "
        elif (piece := found[0]).startswith('"'):
            yield f"<i>{escape(piece, quote=False)}</i>"
        elif found["empty"] is not None:
            yield piece
        elif piece in "{[":
            depth += 1
            yield piece + _line(depth)
        elif piece in "}]":
            depth -= 1
            yield _line(depth) + piece
        elif piece == ",":
            yield piece + _line(depth)
        else:
            yield escape(piece)


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, MAX_INDENT)


_TOKEN = re.compile(
    r'\{\s*"/"\s*:\s*"(?P<link>[A-Za-z0-9]{1,512})"\s*\}'  # {"/": "bafy…"}
    r'|(?P<key>"(?:[^"\\]|\\.)*+")\s*:'
    r'|"(?:[^"\\]|\\.)*+"'
    r"|(?P<empty>\{\s*\}|\[\s*\])"
    r'|[{}\[\],]|[^{}\[\],:"\s]+'
)
_LABELS = {"dag-json": "DAG-JSON", "dag-cbor": "DAG-CBOR", "raw": "Raw block", "car": "CAR"}
VERSION = hashlib.blake2b((STYLE + _TOKEN.pattern).encode() + b"1", digest_size=4).hexdigest()
