"""The path gateway (https://specs.ipfs.tech/http-gateways/path-gateway/), section by section."""

from __future__ import annotations

import io
import json
import re
import tarfile

import pytest

from cidbus.schemas.cid import CID

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMMUTABLE = "public, max-age=29030400, immutable"
HELLO = b"Hello, IPFS!"
HELLO_CID = "bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm"
ABSENT = str(CID.of(0x55, b"nobody has this"))
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def dag_cbor(*links: str) -> bytes:
    """`{"links": […], "n": 1}` in DAG-CBOR."""
    found = b"\xa2\x61n\x01\x65links" + bytes([0x80 + len(links)])
    for link in links:
        raw = b"\0" + bytes(CID.parse(link))
        found += b"\xd8\x2a\x58" + bytes([len(raw)]) + raw
    return found


# ---- GET and HEAD /ipfs/{cid}[/{path}] ------------------------------------------------------------------


async def test_a_file_is_served_by_its_cid(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}")
    assert (found.status, found.body, cid) == (200, HELLO, HELLO_CID)


async def test_a_file_of_many_blocks_is_served_whole(web, node):
    content = bytes(range(256)) * 12_000
    cid = await node.stream(content)
    found = await web.get(f"/ipfs/{cid}")
    assert found.body == content
    assert found.headers["Content-Length"] == str(len(content))


async def test_a_file_is_served_by_its_path(web, node):
    root = await node.tree({"a/b c/ü.txt": b"deep"})
    found = await web.get(f"/ipfs/{root}/a/b%20c/%C3%BC.txt")
    assert (found.status, found.body) == (200, b"deep")


@pytest.mark.parametrize("form", ["file", "path", "block", "directory", "page", "tar"])
async def test_head_says_what_get_would_without_a_body(web, node, form):
    root = await node.tree({"a.txt": HELLO, "site/index.html": b"<html>", "plain/x": b"x"})
    path = {
        "file": f"/ipfs/{await node.add(HELLO)}",
        "path": f"/ipfs/{root}/a.txt",
        "block": f"/ipfs/{root}?format=raw",
        "directory": f"/ipfs/{root}/site/",
        "page": f"/ipfs/{root}/plain/",
        "tar": f"/ipfs/{root}?format=tar",
    }[form]
    get, head = await web.get(path), await web.head(path)
    assert (head.status, head.body) == (200, b"")
    varying = {"Date", "X-Operation-ID", "Transfer-Encoding"} | (
        {"Content-Length"} if form in ("page", "tar") else set()
    )

    def told(found):
        return {name: value for name, value in found.headers.items() if name not in varying}

    assert told(head) == told(get)


async def test_only_if_cached_head_tells_whether_the_root_is_here_without_fetching(web, node):
    cid = await node.add(HELLO)
    asked = {"Cache-Control": "only-if-cached"}
    assert (await web.head(f"/ipfs/{cid}", asked)).status == 200
    assert (await web.head(f"/ipfs/{ABSENT}", asked)).status == 412


async def test_other_methods_are_refused_with_those_that_are_served(web):
    found = await web.get("/ipfs/bafkqaaa", method="POST")
    assert (found.status, found.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_pages_of_any_origin_may_read_answers_and_errors(web, node):
    cid = await node.add(HELLO)
    for path in (f"/ipfs/{cid}", f"/ipfs/{ABSENT}", f"/ipfs/{cid}?format=raw"):
        assert (await web.get(path)).headers["Access-Control-Allow-Origin"] == "*"


async def test_options_tells_what_pages_of_other_origins_may_send(web):
    found = await web.get("/ipfs/bafkqaaa", method="OPTIONS")
    assert found.status in (200, 204)
    assert found.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert "Range" in found.headers["Access-Control-Allow-Headers"]


# ---- If-None-Match --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", "?format=raw", "?format=tar", "/", "/a.txt", "/?format=car"])
async def test_what_the_client_has_already_is_answered_by_304_without_a_body(web, node, suffix):
    root = await node.tree({"a.txt": HELLO})
    path = f"/ipfs/{root}{suffix or '/a.txt'}"
    first = await web.get(path)
    assert first.status == 200
    for condition in (first.headers["Etag"], f'"other", {first.headers["Etag"]}'):
        again = await web.get(path, {"If-None-Match": condition})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["Etag"] == first.headers["Etag"]
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    other = await web.get(path, {"If-None-Match": '"other"'})
    assert other.status == 200


async def test_an_asterisk_means_any_version_that_there_is(web, node):
    cid = await node.add(HELLO)
    assert (await web.get(f"/ipfs/{cid}", {"If-None-Match": "*"})).status == 304
    assert (await web.get(f"/ipfs/{ABSENT}", {"If-None-Match": "*"})).status == 404


async def test_a_weak_tag_of_the_client_is_compared_weakly(web, node):
    cid = await node.add(HELLO)
    assert (await web.get(f"/ipfs/{cid}", {"If-None-Match": f'W/"{cid}"'})).status == 304


# ---- Cache-Control: only-if-cached ----------------------------------------------------------------------


async def test_only_if_cached_serves_what_is_here_and_answers_412_for_the_rest(web, node):
    cid = await node.add(HELLO)
    asked = {"Cache-Control": "only-if-cached"}
    assert (await web.get(f"/ipfs/{cid}", asked)).body == HELLO
    found = await web.get(f"/ipfs/{ABSENT}", asked)
    assert found.status == 412


# ---- Accept and format ----------------------------------------------------------------------------------


async def test_a_raw_block_is_served_by_query_and_by_accept(web, node):
    cid = await node.add(HELLO)
    by_query = await web.get(f"/ipfs/{cid}?format=raw")
    by_accept = await web.get(f"/ipfs/{cid}", {"Accept": "application/vnd.ipld.raw"})
    for found in (by_query, by_accept):
        assert (found.status, found.body) == (200, HELLO)
        assert found.headers["Content-Type"] == "application/vnd.ipld.raw"
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert found.headers["Content-Disposition"] == f'attachment; filename="{cid}.bin"'
        assert found.headers["Etag"] == f'"{cid}.raw"'


async def test_the_block_at_the_end_of_a_path_is_served_raw(web, node):
    root = await node.tree({"a.txt": HELLO})
    found = await web.get(f"/ipfs/{root}/a.txt?format=raw")
    assert (found.status, found.body) == (200, HELLO)
    assert found.headers["Content-Disposition"] == f'attachment; filename="{HELLO_CID}.bin"'


async def test_the_format_of_the_query_wins_over_accept(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}?format=raw", {"Accept": "application/vnd.ipld.car"})
    assert found.headers["Content-Type"] == "application/vnd.ipld.raw"
    assert found.headers["Content-Location"] == f"/ipfs/{cid}?format=raw"


async def test_an_unknown_format_is_a_bad_request(web, node):
    assert (await web.get(f"/ipfs/{await node.add(HELLO)}?format=zip")).status == 400


async def test_content_location_names_the_format_that_only_accept_named(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}?download=1", {"Accept": "application/vnd.ipld.raw"})
    assert found.headers["Content-Location"] == f"/ipfs/{cid}?download=1&format=raw"
    assert "Content-Location" not in (await web.get(f"/ipfs/{cid}?format=raw")).headers


async def test_a_tree_is_served_as_a_tar_named_by_the_last_segment(web, node):
    root = await node.tree({"docs/a.txt": b"a", "docs/deep/b.txt": b"b"})
    found = await web.get(f"/ipfs/{root}/docs?format=tar")
    assert found.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(found.body)) as tar:
        assert "docs/deep/b.txt" in tar.getnames()


async def test_a_tar_of_what_is_not_unixfs_is_not_acceptable(web, node):
    cid = await node.block(dag_cbor(), "dag-cbor")
    assert (await web.get(f"/ipfs/{cid}?format=tar")).status == 406


CODECS = {
    "json": (b'{"a":1}', "application/json"),
    "cbor": (b"\xa1\x61a\x01", "application/cbor"),
    "dag-json": (b'{"a":1}', "application/vnd.ipld.dag-json"),
    "dag-cbor": (b"\xa1\x61a\x01", "application/vnd.ipld.dag-cbor"),
}


@pytest.mark.parametrize("codec", CODECS)
async def test_a_block_is_served_in_the_format_of_its_own_codec(web, node, codec):
    data, media_type = CODECS[codec]
    cid = await node.block(data, codec)
    for path, accept in ((f"?format={codec}", {}), ("", {"Accept": media_type}), ("", {})):
        found = await web.get(f"/ipfs/{cid}{path}", accept)
        assert (found.status, found.body, found.headers["Content-Type"]) == (200, data, media_type)
        assert (found.headers["Etag"], found.headers["X-Content-Type-Options"]) == (
            f'"{cid}.{codec}"',
            "nosniff",
        )
        assert f'filename="{cid}.' in found.headers["Content-Disposition"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wanted", CODECS)
async def test_a_codec_that_does_not_match_is_not_acceptable(web, node, codec, wanted):
    if codec == wanted:
        return
    cid = await node.block(CODECS[codec][0], codec)
    found = await web.get(f"/ipfs/{cid}?format={wanted}")
    assert found.status == 406
    assert b"?format=raw" in found.body  # an actionable hint


@pytest.mark.parametrize("wanted", ["dag-json", "dag-cbor", "cbor"])
async def test_a_file_is_not_acceptable_as_a_node(web, node, wanted):
    assert (await web.get(f"/ipfs/{await node.add(HELLO)}?format={wanted}")).status == 406


async def test_a_file_of_valid_json_is_served_as_json_whatever_its_codec(web, node):
    content = b'{"a": [1, 2, 3]}'
    for cid in (await node.add(content), await node.add(content, profile="unixfs-v0-2015")):
        for path, accept in (("?format=json", {}), ("", {"Accept": "application/json"})):
            found = await web.get(f"/ipfs/{cid}{path}", accept)
            assert (found.status, found.headers["Content-Type"]) == (200, "application/json")
            assert found.body == content


async def test_a_file_of_anything_else_is_not_acceptable_as_json(web, node):
    assert (await web.get(f"/ipfs/{await node.add(HELLO)}?format=json")).status == 406


async def test_a_client_that_takes_anything_besides_json_gets_the_file_as_it_is(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}", {"Accept": "application/json, text/plain, */*"})
    assert (found.status, found.body, found.headers["Etag"]) == (200, HELLO, f'"{cid}"')
    assert "Content-Location" not in found.headers


async def test_conversion_between_codecs_can_be_allowed(gateway_with, node):
    web = await gateway_with(gateway_convert_codecs=True)
    cid = await node.block(CODECS["dag-cbor"][0], "dag-cbor")
    found = await web.get(f"/ipfs/{cid}?format=dag-json")
    assert (found.status, json.loads(found.body)) == (200, {"a": 1})
    assert found.headers["Content-Type"] == "application/vnd.ipld.dag-json"


@pytest.mark.parametrize("codec", ["dag-json", "dag-cbor"])
async def test_a_browser_gets_a_page_about_a_node_with_its_download(web, node, codec):
    cid = await node.block(CODECS[codec][0], codec)
    found = await web.get(f"/ipfs/{cid}", {"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})
    assert found.headers["Content-Type"].startswith("text/html")
    assert f'href="?format={codec}"'.encode() in found.body
    assert found.headers["Etag"].startswith('"DagIndex-')
    plain = await web.get(f"/ipfs/{cid}")
    assert plain.headers["Content-Type"] == CODECS[codec][1]


async def test_an_ipns_record_of_what_is_no_name_is_a_bad_request(web, node):
    cid = await node.add(HELLO)
    assert (await web.get(f"/ipfs/{cid}?format=ipns-record")).status == 400


# ---- Range ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("0-4", 0, 4), ("7-", 7, 11), ("-5", 7, 11), ("3-999", 3, 11), ("-999", 0, 11)],
)
@pytest.mark.parametrize("suffix", ["", "?format=raw"])
async def test_a_single_range_of_a_file_or_block_is_served(web, node, asked, first, last, suffix):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}{suffix}", {"Range": f"bytes={asked}"})
    assert (found.status, found.body) == (206, HELLO[first : last + 1])
    assert found.headers["Content-Range"] == f"bytes {first}-{last}/12"
    raw = ".raw" if suffix else ""
    assert found.headers["Etag"] == f'"{cid}{raw}.{first}-{last}"'


async def test_a_range_within_a_dag_pb_block_is_cut_from_it(web, node):
    root = await node.tree({"a.txt": HELLO})
    whole = (await web.get(f"/ipfs/{root}?format=raw")).body
    found = await web.get(f"/ipfs/{root}?format=raw", {"Range": "bytes=5-20"})
    assert (found.status, found.body) == (206, whole[5:21])


async def test_a_range_across_blocks_of_a_large_file_is_served(web, node):
    content = bytes(range(256)) * 20_000
    cid = await node.stream(content)
    found = await web.get(f"/ipfs/{cid}", {"Range": "bytes=1048000-4000000"})
    assert (found.status, found.body) == (206, content[1_048_000:4_000_001])


async def test_a_range_outside_of_the_content_is_416_and_says_its_size(web, node):
    found = await web.get(f"/ipfs/{await node.add(HELLO)}", {"Range": "bytes=12-"})
    assert (found.status, found.headers["Content-Range"]) == (416, "bytes */12")


async def test_several_ranges_are_answered_by_the_whole(web, node):
    found = await web.get(f"/ipfs/{await node.add(HELLO)}", {"Range": "bytes=0-1,4-5"})
    assert (found.status, found.body) == (200, HELLO)


async def test_a_range_has_the_media_type_of_the_whole(web, node):
    cid = await node.add(PNG)
    found = await web.get(f"/ipfs/{cid}", {"Range": "bytes=40-"})
    assert found.headers["Content-Type"] == "image/png"


async def test_if_range_resumes_by_the_tag_of_the_whole_or_of_a_part(web, node):
    cid = await node.add(HELLO)
    for tag, status in ((f'"{cid}"', 206), (f'"{cid}.0-4"', 206), ('"other"', 200), (f'W/"{cid}"', 200)):
        found = await web.get(f"/ipfs/{cid}", {"Range": "bytes=5-", "If-Range": tag})
        assert found.status == status


async def test_files_say_that_ranges_are_served_and_archives_that_none_are(web, node):
    root = await node.tree({"a.txt": HELLO})
    assert (await web.get(f"/ipfs/{root}/a.txt")).headers["Accept-Ranges"] == "bytes"
    for form in ("car", "tar"):
        assert (await web.get(f"/ipfs/{root}?format={form}")).headers["Accept-Ranges"] == "none"


# ---- Service-Worker -------------------------------------------------------------------------------------


async def test_a_service_worker_for_a_whole_root_is_denied(web, node):
    root = await node.tree({"sw.js": b"//"})
    worker = {"Service-Worker": "script"}
    assert (await web.get(f"/ipfs/{root}", worker)).status == 400
    assert (await web.get(f"/ipfs/{root}/sw.js", worker)).status == 200


# ---- filename and download ------------------------------------------------------------------------------


async def test_filename_names_the_content_and_says_its_type(web, node):
    cid = await node.add(b"a,b\n1,2\n")
    found = await web.get(f"/ipfs/{cid}?filename=table.csv")
    assert found.headers["Content-Disposition"] == 'inline; filename="table.csv"'
    assert found.headers["Content-Type"] == "text/csv; charset=utf-8"


async def test_a_name_that_is_not_ascii_is_given_in_both_forms(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}?filename=test%D1%82%D0%B5%D1%81%D1%82.pdf")
    assert found.headers["Content-Disposition"] == (
        "inline; filename=\"test____.pdf\"; filename*=UTF-8''test%D1%82%D0%B5%D1%81%D1%82.pdf"
    )


async def test_download_makes_it_an_attachment(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}?download=true&filename=x.txt")
    assert found.headers["Content-Disposition"] == 'attachment; filename="x.txt"'
    found = await web.get(f"/ipfs/{cid}?download=true")
    assert found.headers["Content-Disposition"].startswith("attachment")
    assert "Content-Disposition" not in (await web.get(f"/ipfs/{cid}")).headers


async def test_a_hostile_filename_stays_inside_its_header(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/{cid}?filename=%22%0d%0aX-Evil:%201")
    assert "X-Evil" not in found.headers
    assert found.headers["Content-Disposition"].count('"') == 2


# ---- status codes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cid", ["notacid", "Qm", "bafy", "b" * 600, "%00", "Qm%2F"])
async def test_a_malformed_cid_is_a_bad_request(web, cid):
    assert (await web.get(f"/ipfs/{cid}")).status == 400


async def test_a_codec_that_is_not_known_is_a_bad_request_that_names_the_raw_block(web, node):
    cid = await node.block(b"blob 0\0", "git-raw")
    found = await web.get(f"/ipfs/{cid}")
    assert (found.status, b"?format=raw" in found.body) == (400, True)
    assert (await web.get(f"/ipfs/{cid}?format=raw")).body == b"blob 0\0"


async def test_a_missing_root_is_not_found(web):
    for path in (f"/ipfs/{ABSENT}", f"/ipfs/{ABSENT}?format=raw", f"/ipfs/{ABSENT}?format=car"):
        assert (await web.get(path)).status == 404
        assert (await web.head(path)).status == 404


async def test_a_path_that_is_not_there_is_not_found_and_named(web, node):
    root = await node.tree({"a/b.txt": b"b"})
    found = await web.get(f"/ipfs/{root}/a/missing/c.txt")
    assert found.status == 404
    assert b"missing" in found.body


async def test_a_path_below_a_file_is_not_found(web, node):
    root = await node.tree({"a.txt": b"b"})
    assert (await web.get(f"/ipfs/{root}/a.txt/b")).status == 404


async def test_broken_content_is_a_server_error_that_names_its_block(web, node):
    cid = await node.block(b"\x0a\x02\x08\x02 this is not dag-pb", "dag-pb")
    found = await web.get(f"/ipfs/{cid}")
    assert (found.status, cid.encode() in found.body) == (500, True)


async def test_errors_are_not_cached(web):
    assert (await web.get(f"/ipfs/{ABSENT}")).headers["Cache-Control"] == "no-store"


# ---- Etag, Cache-Control --------------------------------------------------------------------------------


async def test_the_etag_is_the_cid_with_the_format_behind_it(web, node):
    root = await node.tree({"a.txt": HELLO})
    assert (await web.get(f"/ipfs/{root}/a.txt")).headers["Etag"] == f'"{HELLO_CID}"'
    assert (await web.get(f"/ipfs/{root}?format=raw")).headers["Etag"] == f'"{root}.raw"'
    assert (await web.get(f"/ipfs/{root}?format=tar")).headers["Etag"] == f'W/"{root}.x-tar"'
    assert (await web.get(f"/ipfs/{root}?format=car")).headers["Etag"].startswith(f'W/"{root}.car.')
    listing = (await web.get(f"/ipfs/{root}/")).headers["Etag"]
    assert re.fullmatch(rf'"DirIndex-[0-9a-f]+_CID-{root}"', listing)


async def test_all_immutable_content_may_be_kept_for_ever(web, node):
    root = await node.tree({"a.txt": HELLO, "site/index.html": b"<html>"})
    for path in ("/a.txt", "/site/", "?format=raw", "?format=car", "?format=tar"):
        assert (await web.get(f"/ipfs/{root}{path}")).headers["Cache-Control"] == IMMUTABLE
    assert (await web.get(f"/ipfs/{HELLO_CID}")).headers["Cache-Control"] == IMMUTABLE


async def test_a_generated_page_may_be_kept_but_not_for_ever(web, node):
    root = await node.tree({"a.txt": HELLO})
    kept = (await web.get(f"/ipfs/{root}/")).headers["Cache-Control"]
    assert "immutable" not in kept
    assert kept.startswith("public, max-age=")


# ---- Content-Type ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"plain text", "text/plain; charset=utf-8"),
        (PNG, "image/png"),
        (b"\0\1\2\3", "application/octet-stream"),
        (b"<!DOCTYPE html><p>hi", "text/html; charset=utf-8"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"", "text/plain; charset=utf-8"),
    ],
)
async def test_the_type_is_seen_from_the_first_bytes(web, node, content, media_type):
    cid = await node.add(content)
    assert (await web.get(f"/ipfs/{cid}")).headers["Content-Type"] == media_type
    assert (await web.head(f"/ipfs/{cid}")).headers["Content-Type"] == media_type


async def test_the_type_is_seen_from_the_name_before_the_bytes(web, node):
    root = await node.tree({"style.css": b"p {}", "a.svg": b"<svg/>"})
    assert (await web.get(f"/ipfs/{root}/style.css")).headers["Content-Type"] == "text/css; charset=utf-8"
    assert (await web.get(f"/ipfs/{root}/a.svg")).headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize("path", ["/page.html", "/"])
async def test_a_page_that_shares_its_host_gets_an_origin_of_its_own(web, node, path):
    root = await node.tree({"page.html": b"<html>", "index.html": b"<html>"})
    policy = (await web.get(f"/ipfs/{root}{path}")).headers["Content-Security-Policy"]
    assert policy.startswith("sandbox")
    assert "allow-same-origin" not in policy
    alone = await web.get(f"/ipfs/{await node.add(b'<html>')}")
    assert alone.headers["Content-Security-Policy"] == policy


# ---- Location: directories ------------------------------------------------------------------------------


async def test_a_directory_without_its_slash_is_redirected_with_its_query(web, node):
    root = await node.tree({"sub dir/a.txt": HELLO})
    found = await web.get(f"/ipfs/{root}?a=b%20c")
    assert (found.status, found.headers["Location"]) == (301, f"/ipfs/{root}/?a=b%20c")
    found = await web.get(f"/ipfs/{root}/sub%20dir")
    assert (found.status, found.headers["Location"]) == (301, f"/ipfs/{root}/sub%20dir/")


async def test_a_path_that_begins_with_two_slashes_never_redirects_to_another_host(web, node):
    root = await node.tree({"sub/a.txt": HELLO})
    found = await web.get(f"//ipfs/{root}/sub")
    assert not found.headers.get("Location", "/ ").startswith("//")


async def test_index_html_is_served_instead_of_a_listing(web, node):
    root = await node.tree({"site/index.html": b"<html>home", "site/a.txt": b"a"})
    found = await web.get(f"/ipfs/{root}/site/")
    assert (found.status, found.body) == (200, b"<html>home")
    assert found.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_an_index_html_whose_block_is_missing_is_not_found_rather_than_a_listing(web, node):
    root = await node.tree({"site/index.html": b"<html>home", "site/a.txt": b"a"})
    await node.forget(str(CID.of(0x55, b"<html>home")))
    assert (await web.get(f"/ipfs/{root}/site/")).status == 404


async def test_a_listing_has_every_entry_with_its_link_and_escaped_name(web, node):
    root = await node.tree({"a&b <i>.txt": b"a", "sub/x": b"x"})
    found = await web.get(f"/ipfs/{root}/")
    assert found.headers["Content-Type"].startswith("text/html")
    page = found.body.decode()
    assert "a&amp;b &lt;i&gt;.txt" in page
    assert "<i>.txt" not in page
    assert f'href="/ipfs/{root}/sub/"' in page
    assert "default-src 'none'" in found.headers["Content-Security-Policy"]


async def test_an_empty_directory_is_listed(web, node):
    root = await node.block(b"\x0a\x02\x08\x01", "dag-pb")
    assert (await web.get(f"/ipfs/{root}/")).status == 200


async def test_a_sharded_directory_is_listed_and_read_like_any_other(web, node):
    root = await node.tree(
        {f"file with a long enough name to make a shard {n:05}": b"x" for n in range(4000)}
    )
    found = await web.get(f"/ipfs/{root}/")
    assert found.body.count(b'<td class="s">') >= 4000
    path = f"/ipfs/{root}/file%20with%20a%20long%20enough%20name%20to%20make%20a%20shard%2001234"
    file = await web.get(path)
    assert (file.status, file.body) == (200, b"x")
    assert file.headers["X-Ipfs-Roots"].count(",") == 1


# ---- X-Ipfs-Path, X-Ipfs-Roots --------------------------------------------------------------------------


async def test_x_ipfs_path_is_the_path_as_it_was_asked_for(web, node):
    root = await node.tree({"a/ü.txt": HELLO})
    found = await web.get(f"/ipfs/{root}/a/%C3%BC.txt")
    assert found.headers["X-Ipfs-Path"] == f"/ipfs/{root}/a/%C3%BC.txt"
    assert (await web.get(f"/ipfs/{HELLO_CID}")).headers["X-Ipfs-Path"] == f"/ipfs/{HELLO_CID}"


async def test_x_ipfs_roots_has_the_cid_of_each_segment(web, node):
    root = await node.tree({"a/b/c.txt": HELLO})
    a = await web.get(f"/ipfs/{root}/a/b/")
    found = (await web.get(f"/ipfs/{root}/a/b/c.txt")).headers["X-Ipfs-Roots"].split(",")
    assert (len(found), found[0], found[-1]) == (4, root, HELLO_CID)
    assert a.headers["X-Ipfs-Roots"].split(",") == found[:3]


# ---- response payload, traversal ------------------------------------------------------------------------


async def test_raw_leaves_and_wrapped_files_are_the_same_content(web, node):
    for profile in ("unixfs-v0-2015", "unixfs-v1-2025"):
        cid = await node.add(HELLO, profile=profile)
        found = await web.get(f"/ipfs/{cid}")
        assert (found.body, found.headers["Etag"]) == (HELLO, f'"{cid}"')


async def test_a_symbolic_link_is_served_as_its_target(web, node):
    root = await node.tree({"a.txt": HELLO}, {"link": "a.txt"})
    found = await web.get(f"/ipfs/{root}/link")
    assert (found.status, found.body, found.headers["Content-Type"]) == (200, b"a.txt", "inode/symlink")


@pytest.mark.parametrize("codec", ["dag-cbor", "dag-json"])
async def test_paths_go_through_links_of_other_codecs(web, node, codec):
    cid = await node.add(HELLO)
    data = dag_cbor(cid) if codec == "dag-cbor" else json.dumps({"links": [{"/": cid}]}).encode()
    root = await node.block(data.replace(b" ", b"") if codec == "dag-json" else data, codec)
    found = await web.get(f"/ipfs/{root}/links/0")
    assert (found.status, found.body) == (200, HELLO)


async def test_a_path_that_ends_inside_a_block_is_not_implemented(web, node):
    root = await node.block(dag_cbor(), "dag-cbor")
    assert (await web.get(f"/ipfs/{root}/n")).status == 501


@pytest.mark.parametrize("path", ["/ipfs", "/ipfs/", "/ipns", "/ipns/"])
async def test_a_namespace_without_a_root_is_a_bad_request(web, path):
    assert (await web.get(path)).status == 400


async def test_a_namespace_given_twice_leads_to_the_content(web, node):
    cid = await node.add(HELLO)
    found = await web.get(f"/ipfs/ipfs/{cid}?x=1")
    assert (found.status, found.headers["Location"]) == (301, f"/ipfs/{cid}?x=1")


async def test_dots_in_a_path_do_not_leave_its_root(web, node):
    root = await node.tree({"a.txt": HELLO})
    assert (await web.get(f"/ipfs/{root}/../../secrets")).status == 400
    assert (await web.get(f"/ipfs/{root}/x/%2e%2e/a.txt")).body == HELLO
