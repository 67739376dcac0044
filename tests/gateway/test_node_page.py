"""The page about a DAG-CBOR or DAG-JSON node (path gateway, "Response Payload")."""

import time

import pytest

from cidbus.http_bridge.gateway.node_page import node_page
from cidbus.http_bridge.gateway.paths import ContentPath, read_path

CID = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"


def shown(node: bytes, codec: str = "dag-cbor", gateway: str = "") -> str:
    path = read_path(f"/ipfs/{CID}/%3Cb%3E")
    assert isinstance(path, ContentPath)
    return node_page(path, CID, codec, node, gateway).decode()


def test_a_node_is_laid_out_one_value_a_line():
    html = shown(b'{"a":1,"b":[true,null],"c":{},"d":-1.5e3}')
    tree = html.split("<pre>")[1].split("</pre>")[0]
    assert (
        tree
        == '{\n  <b>"a"</b>: 1,\n  <b>"b"</b>: [\n    true,\n    null\n  ],\n  <b>"c"</b>: {},\n  <b>"d"</b>: -1.5e3\n}'
    )


def test_a_link_is_a_link():
    assert f'<a href="/ipfs/{CID}">{CID}</a>' in shown(b'[{"/":"%s"}]' % CID.encode())
    assert f'<a href="//gw.example/ipfs/{CID}">' in shown(
        b'[{"/":"%s"}]' % CID.encode(), gateway="//gw.example"
    )


def test_bytes_are_no_link():
    assert '<b>"bytes"</b>: <i>"AAEC"</i>' in shown(b'{"/":{"bytes":"AAEC"}}')


def test_texts_and_keys_are_escaped():
    html = shown(rb'{"<script>":"</pre><script>\"alert(1)\""}')
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_path_is_escaped():
    assert "/&lt;b&gt;</title>" in shown(b"{}")


def test_the_node_can_be_downloaded_as_it_is():
    assert '<a href="?format=dag-cbor">DAG-CBOR</a>' in shown(b"{}")
    assert shown(b"{}", "dag-json").count('href="?format=dag-json"') == 1


def test_a_node_that_is_too_large_is_not_shown():
    assert "too large to be shown" in shown(b"")


@pytest.mark.parametrize(
    "node",
    [
        b"[" * 128_000 + b"]" * 128_000,
        b'"\\"' * 80_000,
        b"{" + b" " * 200_000 + b"1}",
        b'{"/":"' + b"a" * 250_000,
    ],
)
def test_no_node_takes_long_or_makes_a_page_without_bounds(node):
    began = time.process_time()
    html = shown(node)
    assert time.process_time() - began < 2
    assert len(html) < 64 * len(node) + 64 * 1024
