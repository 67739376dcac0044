"""How content is kept while it is on its way into the file tree: under a name of its own, which expires.

Who places the content lets the name go with it (`journal.put {release}`); what nobody places is collected.
"""

from __future__ import annotations

import secrets

__all__ = ["KEPT_S", "new_keep"]

# How long content is kept that nobody places: an upload that takes longer has placed nothing yet.
KEPT_S = 3600.0


def new_keep() -> str:
    """A name that nothing else is kept under."""
    return f"fs/up/{secrets.token_hex(8)}"
