"""The gateway's headers, by the sections of the path gateway spec."""

import pytest

from cidbus.http_bridge.gateway.formats import CarWanted, DagScope, EntityBytes, Format, Wanted, read_wanted
from cidbus.http_bridge.gateway.headers import (
    CORS,
    cache_control,
    check_service_worker,
    disposition,
    etag,
    format_headers,
    known_etag,
    may_resume,
    only_if_cached,
    page_etag,
    record_etag,
    roots,
)
from cidbus.http_bridge.gateway.paths import ContentPath, read_path
from cidbus.schemas.errors import BadRequest

CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
KEY = "k51qzi5uqu5dhmzyv3zac033i7rl9hkgczxyl81lwoukda2htteop7d3x0y1mf"


def at(url: str) -> ContentPath:
    path = read_path(url)
    assert isinstance(path, ContentPath)
    return path


# --- Etag


def test_an_etag_is_the_cid():
    assert etag("bafy", Wanted()) == '"bafy"'


def test_an_etag_has_the_format_behind_it():
    assert etag("bafy", Wanted(Format.RAW)) == '"bafy.raw"'
    assert etag("bafy", Wanted(Format.DAG_JSON)) == '"bafy.dag-json"'


def test_the_etag_of_an_archive_is_weak():
    assert etag("bafy", Wanted(Format.TAR)) == 'W/"bafy.x-tar"'
    assert etag("bafy", Wanted(Format.CAR)).startswith('W/"bafy.car.')


def test_the_etag_of_a_range_has_the_range():
    assert etag("bafy", Wanted(), byte_range=(0, 42)) == '"bafy.0-42"'
    assert etag("bafy", Wanted(Format.RAW), byte_range=(0, 42)) == '"bafy.raw.0-42"'


def test_the_etag_of_a_car_differs_by_everything_that_changes_the_car():
    cars = [
        CarWanted(),
        CarWanted(dups=True),
        CarWanted(scope=DagScope.BLOCK),
        CarWanted(scope=DagScope.ENTITY),
        CarWanted(scope=DagScope.ENTITY, entity_bytes=EntityBytes(0)),
        CarWanted(scope=DagScope.ENTITY, entity_bytes=EntityBytes(0, 5)),
    ]
    tags = {etag("bafy", Wanted(Format.CAR, car), path=path) for car in cars for path in ("", "a", "a/b")}
    assert len(tags) == len(cars) * 3


def test_the_etag_of_a_generated_page_names_its_version():
    assert page_etag("DirIndex", "2b423af", "bafy") == '"DirIndex-2b423af_CID-bafy"'


def test_the_etag_of_a_record_is_of_what_it_holds():
    assert record_etag(b"a") != record_etag(b"b")
    assert record_etag(b"a").startswith('"')


# --- If-None-Match


@pytest.mark.parametrize("header", ['"a"', 'W/"a"', '"x", "y","a"', 'W/"x" , W/"a"', "*"])
def test_a_tag_the_client_has_is_found(header):
    assert known_etag(header, '"a"', '"b"') == '"a"'


def test_a_weak_tag_is_found_too():
    assert known_etag('W/"a.x-tar"', 'W/"a.x-tar"') == 'W/"a.x-tar"'


@pytest.mark.parametrize("header", ["", "a", '"A"', '"aa"', '"x"'])
def test_another_tag_is_not(header):
    assert known_etag(header, '"a"') is None


def test_if_range_takes_only_strong_tags_of_the_same_content():
    assert may_resume("", '"a"')
    assert may_resume(' "a" ', '"a"')
    assert not may_resume('W/"a"', 'W/"a"')
    assert not may_resume('"b"', '"a"')
    assert not may_resume("Wed, 21 Oct 2015 07:28:00 GMT", '"a"')


# --- Cache-Control


def test_immutable_content_is_kept_for_ever():
    assert cache_control(at(f"/ipfs/{CID}/a")) == "public, max-age=29030400, immutable"


def test_mutable_content_is_kept_as_long_as_its_name_says():
    assert cache_control(at("/ipns/example.org"), ttl_s=61.9) == "public, max-age=61"
    assert cache_control(at(f"/ipns/{KEY}"), ttl_s=-5) == "public, max-age=0"


def test_a_time_to_live_has_an_upper_bound():
    assert cache_control(at(f"/ipns/{KEY}"), ttl_s=1e12) == "public, max-age=604800"


def test_nothing_is_said_where_no_time_to_live_is_known():
    assert cache_control(at(f"/ipns/{KEY}")) is None
    assert cache_control(at(f"/ipns/{KEY}"), generated=True) is None


def test_a_generated_page_is_never_immutable():
    kept = cache_control(at(f"/ipfs/{CID}/"), generated=True)
    assert kept == "public, max-age=604800, stale-while-revalidate=2678400"
    assert (
        cache_control(at(f"/ipns/{KEY}/"), ttl_s=60, generated=True)
        == "public, max-age=60, stale-while-revalidate=2678400"
    )


def test_only_if_cached_is_read_among_other_directives():
    assert only_if_cached("only-if-cached")
    assert only_if_cached("max-age=0, Only-If-Cached")
    assert not only_if_cached("no-cache")
    assert not only_if_cached("")


# --- Content-Disposition


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("raw", f'attachment; filename="{CID}.bin"'),
        ("car", f'attachment; filename="{CID}.car"'),
        ("tar", f'attachment; filename="{CID}.tar"'),
        ("cbor", f'attachment; filename="{CID}.cbor"'),
        ("dag-cbor", f'attachment; filename="{CID}.cbor"'),
        ("json", f'inline; filename="{CID}.json"'),
        ("dag-json", f'inline; filename="{CID}.json"'),
        ("ipns-record", f'attachment; filename="{CID}.ipns-record"'),
    ],
)
def test_a_format_has_a_file_name_and_binary_ones_are_attachments(name, shown):
    assert disposition(Format(name), CID) == shown


def test_content_as_it_is_has_no_disposition_unless_one_is_asked_for():
    assert disposition(None, CID) is None
    assert disposition(None, CID, download=True) == "attachment"
    assert disposition(None, CID, filename="a.pdf") == 'inline; filename="a.pdf"'
    assert disposition(None, CID, filename="a.pdf", download=True) == 'attachment; filename="a.pdf"'


def test_download_makes_an_attachment_of_what_would_be_shown():
    assert str(disposition(Format.JSON, CID, download=True)).startswith("attachment; ")


def test_a_file_name_of_the_query_replaces_the_cid():
    assert disposition(Format.RAW, CID, filename="a.bin") == 'attachment; filename="a.bin"'


def test_a_file_name_outside_ascii_is_said_twice():
    shown = disposition(None, CID, filename="testтест.pdf")
    assert shown == "inline; filename=\"test____.pdf\"; filename*=UTF-8''test%D1%82%D0%B5%D1%81%D1%82.pdf"


def test_a_file_name_cannot_break_out_of_its_header():
    shown = str(disposition(None, CID, filename='a"; x="\r\nSet-Cookie: b/..\\c'))
    assert "\r" not in shown
    assert "\n" not in shown
    assert shown.count('"') == 2


# --- the headers of a format


def test_a_format_says_its_type_and_that_nobody_may_guess():
    told = format_headers(read_wanted({"format": "raw"}), CID)
    assert told["Content-Type"] == "application/vnd.ipld.raw"
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Content-Disposition"].startswith("attachment")


def test_no_ranges_are_served_of_archives():
    assert format_headers(Wanted(Format.CAR), CID)["Accept-Ranges"] == "none"
    assert "Accept-Ranges" not in format_headers(Wanted(Format.RAW), CID)


def test_content_as_it_is_has_none_of_these_headers():
    assert format_headers(Wanted(), CID, filename="a.txt") == {}


# --- X-Ipfs-Path and X-Ipfs-Roots


def test_the_path_is_the_one_that_was_asked_for_percent_encoded():
    assert at(f"/ipfs/{CID}/a%20b/%C4%85/").url == f"/ipfs/{CID}/a%20b/%C4%85/"


def test_roots_are_listed_from_the_first():
    assert roots(["a", "b", "c"]) == "a,b,c"


# --- cross-origin requests


def test_any_origin_may_read_what_is_served():
    assert CORS["Access-Control-Allow-Origin"] == "*"
    assert {"GET", "HEAD", "OPTIONS"} == set(CORS["Access-Control-Allow-Methods"].split(", "))
    allowed = set(CORS["Access-Control-Allow-Headers"].split(", "))
    assert {"Content-Type", "Range", "User-Agent", "X-Requested-With"} <= allowed
    exposed = set(CORS["Access-Control-Expose-Headers"].split(", "))
    assert {
        "Content-Range", "Content-Length", "X-Ipfs-Path", "X-Ipfs-Roots", "X-Chunked-Output", "X-Stream-Output",
    } <= exposed  # fmt: skip


# --- Service-Worker (request header)


@pytest.mark.parametrize("url", [f"/ipfs/{CID}", "/ipns/example.org"])
def test_a_worker_for_a_whole_namespace_is_refused(url):
    with pytest.raises(BadRequest) as caught:
        check_service_worker("script", at(url))
    assert caught.value.field == "Service-Worker"


@pytest.mark.parametrize("url", [f"/ipfs/{CID}/", f"/ipfs/{CID}/sw.js", "/ipns/example.org/sw.js"])
def test_a_worker_below_a_content_root_is_served(url):
    check_service_worker("script", at(url))


def test_without_the_header_nothing_is_refused():
    check_service_worker("", at(f"/ipfs/{CID}"))
