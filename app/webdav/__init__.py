"""The file tree as WebDAV (RFC 4918, classes 1 and 2), so that a desktop can mount it: `cidbus fs webdav`.

Needs the extra `webdav`: WsgiDAV speaks the protocol, cheroot serves it, and this package is what they serve.
"""

from __future__ import annotations

from .server import WebDav
from .tree import BlockingTree

__all__ = ["BlockingTree", "WebDav"]
