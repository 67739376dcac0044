"""The empty file and the empty directory are there from the start; nothing else is."""

from __future__ import annotations

import pytest

from cidbus.actors.ipfs.remote.constants import Constants
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import NotFound


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", b"\x0a\x04\x08\x02\x18\x00"),
        ("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", b"\x0a\x02\x08\x01"),
        ("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354", b"\x0a\x02\x08\x01"),
        ("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", b""),
    ],
)
async def test_the_empty_file_and_directory_are_known(text, block):
    cid = CID.parse(text)
    assert await Constants().fetch(cid) == block
    assert cid.matches(block)


async def test_nothing_else_is():
    with pytest.raises(NotFound):
        await Constants().fetch(CID.of(0x55, b"something"))
