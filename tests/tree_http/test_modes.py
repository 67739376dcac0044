"""A mode is octal wherever it is text, and a number is the bits themselves."""

from __future__ import annotations

import pytest

from cidbus.schemas.errors import BadRequest
from cidbus.schemas.journal import Chmod, SetMetadata


@pytest.mark.parametrize("given", ['"0644"', '"644"', "420"])
def test_a_mode_is_read(given: str):
    for model in (Chmod, SetMetadata):
        assert model.from_wire(b'{"path":"/a","mode":%s}' % given.encode()).mode == 0o644


@pytest.mark.parametrize("given", ["true", "1.0", '"0899"', '"rw"', "-1", '"77777"', "4096"])
def test_what_is_no_mode_is_refused(given: str):
    with pytest.raises(BadRequest, match="mode"):
        Chmod.from_wire(b'{"path":"/a","mode":%s}' % given.encode())
