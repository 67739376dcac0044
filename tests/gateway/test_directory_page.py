"""The page that lists a directory, by the path gateway spec and by what a browser must never be told."""

import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import NamedTuple

import pytest

from cidbus.http_bridge.gateway.directory_page import CONTENT_POLICY, VERSION, Listing, page
from cidbus.http_bridge.gateway.paths import ContentPath, read_path

CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
CHILD = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


class Child(NamedTuple):
    name: str
    type: str = "file"
    size_bytes: int = 0
    cid: str = CHILD


class Anchors(HTMLParser):
    """The links of a page as (address, text), and that its elements are closed in their order."""

    VOID = frozenset({"meta", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append((dict(attrs)["href"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["a"]:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)


def at(url: str) -> ContentPath:
    path = read_path(url)
    assert isinstance(path, ContentPath)
    return path


async def shown(listing: Listing, *children: Child) -> str:
    async def entries() -> AsyncIterator[Child]:
        for child in children:
            yield child

    return b"".join([chunk async for chunk in page(listing, entries())]).decode()


def parsed(html: str) -> Anchors:
    reader = Anchors()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


async def test_an_entry_links_to_its_path_and_to_its_cid():
    html = await shown(Listing(at(f"/ipfs/{CID}/ą/ę/"), CID), Child("file-źł.txt"))
    assert f'<a href="/ipfs/{CID}/%C4%85/%C4%99/file-%C5%BA%C5%82.txt">file-źł.txt</a>' in html
    assert f'<a class="ipfs-hash" translate="no" href="/ipfs/{CHILD}?filename=file-%C5%BA%C5%82.txt">' in html


async def test_a_directory_is_linked_with_its_slash():
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID), Child("a", "directory"))
    assert f'<a href="/ipfs/{CID}/a/">a</a>' in html


async def test_breadcrumbs_link_to_every_segment():
    html = await shown(Listing(at(f"/ipfs/{CID}/ą/ę/"), CID))
    crumbs = f'/ipfs/<a href="/ipfs/{CID}">{CID}</a>/<a href="/ipfs/{CID}/%C4%85">ą</a>/<a href="/ipfs/{CID}/%C4%85/%C4%99">ę</a>'
    assert "Index of" in html
    assert crumbs in html


async def test_a_subdirectory_links_to_its_parent_and_a_root_does_not():
    below = await shown(Listing(at(f"/ipfs/{CID}/ą/ę/"), CID))
    assert f'<a href="/ipfs/{CID}/%C4%85/%C4%99/..">..</a>' in below
    assert ">..</a>" not in await shown(Listing(at(f"/ipfs/{CID}/"), CID))


async def test_under_an_origin_of_its_own_links_begin_at_its_root_and_cids_at_the_gateway():
    listing = Listing(at(f"/ipfs/{CID}/ą/"), CID, gateway="//localhost:8080", isolated=True)
    html = await shown(listing, Child("x"))
    assert '<a href="/%C4%85/x">x</a>' in html
    assert '<a href="/%C4%85/..">..</a>' in html
    assert (
        f'/ipfs/<a href="//localhost:8080/ipfs/{CID}">{CID}</a>/<a href="//localhost:8080/ipfs/{CID}/%C4%85">ą</a>'
        in html
    )
    assert f'href="//localhost:8080/ipfs/{CHILD}?filename=x"' in html


async def test_a_site_without_a_gateway_above_links_only_into_itself():
    links = parsed(await shown(Listing(at("/ipns/example.org/a/"), CID, isolated=True), Child("x"))).links
    assert [href for href, _ in links if not href.startswith("?")] == ["/", "/a", "/a/..", "/a/x"]


async def test_other_formats_of_the_directory_are_linked():
    links = dict(parsed(await shown(Listing(at(f"/ipfs/{CID}/"), CID))).links)
    assert {"?format=tar", "?format=car", "?format=raw"} <= links.keys()


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "&lt;&amp;",
        "javascript:alert(1)",
        "?a=b#c",
        "%2e%2e%2fx",
        "  spaces  ",
    ],
)
async def test_a_name_is_never_more_than_a_name(name):
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID), Child(name), Child(name, "directory"))
    reader = parsed(html)
    assert not {"script", "img"} & reader.tags
    named = [(href, text) for href, text in reader.links if text == name]
    assert len(named) == 2
    assert all(href.startswith(f"/ipfs/{CID}/") and not {"?", "#", " ", '"'} & set(href) for href, _ in named)


async def test_a_path_is_escaped_wherever_it_is_shown():
    html = await shown(Listing(at(f"/ipfs/{CID}/%3Cscript%3E&%22/"), CID))
    assert "script" not in parsed(html).tags
    assert "<title>Index of /ipfs/" in html


async def test_characters_that_hide_or_turn_a_name_are_shown_as_unknown():
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID), Child("a\u202egpj.exe"), Child("a\nb\0c"))
    assert ">a\ufffdgpj.exe</a>" in html
    assert ">a\ufffdb\ufffdc</a>" in html


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (250 << 20, "250 MiB"),
        (3 << 60, "3.0 EiB"),
    ],
)
async def test_sizes_are_told_in_binary_units(size_bytes, text):
    assert f">{text}</td>" in await shown(
        Listing(at(f"/ipfs/{CID}/"), CID), Child("a", size_bytes=size_bytes)
    )


@pytest.mark.parametrize(
    ("name", "type_", "kind"),
    [
        ("a", "directory", "d"),
        ("a", "symlink", "l"),
        ("a.JPG", "file", "i"),
        ("a.mp4", "file", "v"),
        ("a.flac", "file", "a"),
        ("a.tar.gz", "file", "z"),
        ("a.py", "file", "x"),
        ("a.pdf", "file", "t"),
        ("a", "file", "f"),
        ("a.unknown", "other", "f"),
    ],
)
async def test_an_entry_has_the_icon_of_its_type(name, type_, kind):
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID), Child(name, type_))
    assert f'<tr><td class="{kind}"><a ' in html
    assert f".{kind} {{ background-image:" in html


@pytest.mark.parametrize(
    ("count", "text"), [(0, "This directory is empty"), (1, "1 item"), (1234, "1,234 items")]
)
async def test_the_entries_are_counted(count, text):
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID), *(Child(str(number)) for number in range(count)))
    assert f"<footer>{text}</footer>" in html


async def test_the_page_is_sent_as_the_entries_come():
    asked = 0

    async def entries() -> AsyncIterator[Child]:
        nonlocal asked
        for number in range(100_000):
            asked += 1
            yield Child(f"file-{number}")

    parts = page(Listing(at(f"/ipfs/{CID}/"), CID), entries())
    first = await anext(parts)
    assert asked < 200
    assert len(first) < 128 * 1024
    assert max([len(part) async for part in parts]) < 128 * 1024
    assert asked == 100_000


async def test_the_policy_allows_the_style_and_nothing_that_runs():
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID))
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert [
        b64encode(hashlib.sha256(style.encode()).digest()).decode() in CONTENT_POLICY for style in styles
    ] == [True]
    assert "default-src 'none'" in CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert "script" not in CONTENT_POLICY
    assert " style=" not in html


async def test_nothing_is_loaded_from_anywhere():
    html = await shown(Listing(at(f"/ipfs/{CID}/"), CID))
    assert not re.search(r"(?:src|url\(|@import|https?:)[^>]*//(?!www\.w3\.org)", html.split("</head>")[0])


def test_the_version_is_fit_for_an_entity_tag():
    assert re.fullmatch("[0-9a-f]{8}", VERSION)
