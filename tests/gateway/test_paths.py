"""Content paths, hosts and addresses, by the sections of the path gateway and subdomain gateway specs."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.http_bridge.gateway.paths import (
    MAX_SEGMENTS,
    ContentPath,
    Moved,
    SiteHost,
    inline_domain,
    read_host,
    read_path,
    uninline_domain,
    uri_target,
)
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest

V0 = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR"
V1 = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
SHA2_512 = "bafkrgqe3ohjcjplc6n4f3fwunlj6upltggn7xqujbsvnvyw764srszz4u4rshq6ztos4chl4plgg4ffyyxnayrtdi5oc4xb2332g645433aeg"
PEER = "12D3KooWDkNqEJNmreF3NYYFK1ws7Ra2fuW6cHBTu567SPV3LdYA"
KEY36 = "k51qzi5uqu5dhmzyv3zac033i7rl9hkgczxyl81lwoukda2htteop7d3x0y1mf"
KEY32 = "bafzaajaiaejcaotjfs57kieazxny5japcmy5p2pgv2cic77tu6ogghttvurnrufx"


def at(url: str) -> ContentPath:
    path = read_path(url)
    assert isinstance(path, ContentPath)
    return path


def refused(url: str) -> str:
    with pytest.raises(BadRequest) as caught:
        read_path(url)
    return str(caught.value.field)


# --- Finding the content root


def test_a_path_has_a_root_and_a_remainder():
    path = at(f"/ipfs/{V1}/a/b.txt")
    assert (path.namespace, path.root, path.path) == ("ipfs", V1, "a/b.txt")
    assert path.cid == CID.parse(V1)
    assert path.segments == ["a", "b.txt"]
    assert not path.is_mutable


@pytest.mark.parametrize(
    ("end", "slash"), [("", False), ("/", True), ("/a", False), ("/a/", True), ("/a/.", True)]
)
def test_a_trailing_slash_is_remembered(end, slash):
    assert at(f"/ipfs/{V1}{end}").slash is slash


def test_percent_encoding_is_undone_once():
    assert at(f"/ipfs/{V1}/a%20b/%C4%85%252F").path == "a b/ą%2F"


def test_a_path_reads_and_is_written_the_same():
    url = f"/ipfs/{V1}/a%20b/%C4%85%252C/"
    assert at(url).url == url
    assert str(at(url)) == f"/ipfs/{V1}/a b/ą%2C/"


def test_empty_and_dot_segments_are_resolved():
    assert at(f"/ipfs/{V1}//a/./b/../c//").path == "a/c"


def test_an_encoded_dot_segment_is_a_dot_segment():
    assert at(f"/ipfs/{V1}/a/%2E%2E/b").path == "b"


@pytest.mark.parametrize("path", ["..", "a/../..", "%2e%2e/x"])
def test_no_path_leads_above_its_root(path):
    assert refused(f"/ipfs/{V1}/{path}") == "path"


@pytest.mark.parametrize("path", ["%", "%z0", "a%2", "%ff", "%c4"])
def test_a_path_that_cannot_be_decoded_is_a_bad_request(path):
    assert refused(f"/ipfs/{V1}/{path}") == "path"


def test_a_path_of_too_many_segments_is_a_bad_request():
    at(f"/ipfs/{V1}/" + "a/" * MAX_SEGMENTS)
    assert refused(f"/ipfs/{V1}/" + "a/" * (MAX_SEGMENTS + 1)) == "path"


@pytest.mark.parametrize("url", ["/", "/ipfs", "/ipfs/", "/ipns/", "/ipfs//", "/other/x", "ipfs", ""])
def test_a_path_without_a_root_is_a_bad_request(url):
    assert refused(url) == "path"


@pytest.mark.parametrize("root", ["foo", "Qm", "bafy", V1[:-1], V1.title(), "%00", "a.b"])
def test_an_invalid_cid_is_a_bad_request(root):
    assert refused(f"/ipfs/{root}/x") == "cid"


def test_a_namespace_that_is_said_twice_is_moved():
    assert read_path(f"/ipfs/ipfs/{V1}/a%20b/") == Moved(f"/ipfs/{V1}/a%20b/")
    assert read_path("/ipfs/ipns/example.org") == Moved("/ipns/example.org")
    assert read_path(f"/ipfs/ipfs/ipfs/{V1}") == Moved(f"/ipfs/{V1}")


def test_a_namespace_that_is_said_a_thousand_times_is_answered_too():
    assert read_path("/ipfs/" + "ipfs/" * 1600 + V1) == Moved(f"/ipfs/{V1}")


@given(st.text(max_size=60))
def test_any_path_is_read_or_refused_as_a_bad_request(text):
    for url in (f"/ipfs/{V1}/{text}", f"/ipns/{text}", text):
        with suppress(BadRequest):
            assert isinstance(read_path(url), ContentPath | Moved)


# --- names


@pytest.mark.parametrize("text", [PEER, KEY36, KEY32])
def test_a_key_is_the_same_however_it_is_written(text):
    path = at(f"/ipns/{text}/a")
    assert path.key == CID.parse(KEY36)
    assert path.domain is None
    assert path.canonical_root == KEY36
    assert path.is_mutable


def test_an_rsa_peer_id_is_a_key():
    assert at(f"/ipns/{V0}").canonical_root.startswith("k2")


def test_a_key_in_another_form_is_moved_to_base36():
    assert at(f"/ipns/{PEER}/a%20b/").moved_to_base36() == Moved(f"/ipns/{KEY36}/a%20b/", 302)
    assert at(f"/ipns/{KEY36}/a").moved_to_base36() is None
    assert at("/ipns/example.org").moved_to_base36() is None
    assert at(f"/ipfs/{V0}").moved_to_base36() is None


def test_content_is_no_key():
    assert refused("/ipns/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku") == "name"


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("example.org", "example.org"),
        ("EN.Example.ORG.", "en.example.org"),
        ("en-wikipedia--on--ipfs-org", "en.wikipedia-on-ipfs.org"),
        ("_dnslink.example.org", "_dnslink.example.org"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_domain_is_a_name_inlined_or_not(text, domain):
    path = at(f"/ipns/{text}")
    assert path.domain == domain
    assert path.key is None


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "127.0.0.1",
        "a..b",
        "-a.b",
        "a.b-",
        "a b.c",
        "a" * 64 + ".org",
        "a.b" * 100,
        "a%2Fb.c:80",
        ".",
    ],
)
def test_what_is_neither_key_nor_domain_is_a_bad_request(text):
    assert refused(f"/ipns/{text}") in {"name", "cid"}


# --- Host (request header)


def test_a_domain_is_inlined_and_back():
    assert inline_domain("en.wikipedia-on-ipfs.org") == "en-wikipedia--on--ipfs-org"
    assert uninline_domain("en-wikipedia--on--ipfs-org") == "en.wikipedia-on-ipfs.org"


@given(st.lists(st.from_regex(r"[a-z0-9]([a-z0-9]|-[a-z0-9]){0,3}", fullmatch=True), min_size=2, max_size=4))
def test_inlining_loses_nothing(labels):
    domain = ".".join(labels)
    assert uninline_domain(inline_domain(domain)) == domain


@pytest.mark.parametrize(
    "host", [f"{V1}.ipfs.example.net", f"{V1.upper()}.IPFS.Example.net", f"{V1}.ipfs.example.net."]
)
def test_a_host_names_content_in_any_case(host):
    site = read_host(host, ["localhost", "example.net"])
    assert site == SiteHost("ipfs", V1, "example.net")
    assert site.at("/a%20b/").path == "a b"
    assert site.at("/").slash


def test_a_host_keeps_its_port():
    site = read_host(f"{KEY36}.ipns.localhost:8080", ["localhost"])
    assert site == SiteHost("ipns", KEY36, "localhost:8080")
    assert site.at("/x").key == CID.parse(KEY36)


def test_a_host_names_a_domain_inlined_or_as_it_is():
    for host in ("en-wiki--x-org.ipns.localhost", "en.wiki-x.org.ipns.localhost"):
        site = read_host(host, ["localhost"])
        assert site is not None
        assert site.at("/").domain == "en.wiki-x.org"


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:80", "a.b", "[::1]:80", "", "x.ipfs.other", ".ipfs.localhost", "ipfs.localhost"],
)
def test_another_host_names_nothing(host):
    assert read_host(host, ["localhost"]) is None


def test_a_host_that_names_no_content_is_a_bad_request():
    site = read_host("foo.ipfs.localhost", ["localhost"])
    assert site is not None
    with pytest.raises(BadRequest):
        site.at("/")


# --- Location (response header), DNS label limits


def test_a_version_0_cid_is_written_as_version_1_in_a_host():
    assert at(f"/ipfs/{V0}").subdomain_url("dweb.link", scheme="https") == f"https://{V1}.ipfs.dweb.link/"


def test_the_path_and_query_are_kept_on_the_way_to_a_subdomain():
    path = at(f"/ipfs/{V1}/Portugal%252C+Espa%C3%B1a=Peninsula%20Ib%C3%A9rica.txt")
    url = path.subdomain_url("localhost:8080", query="a=%20&b")
    assert (
        url
        == f"http://{V1}.ipfs.localhost:8080/Portugal%252C+Espa%C3%B1a=Peninsula%20Ib%C3%A9rica.txt?a=%20&b"
    )


def test_keys_are_in_base36_and_domains_inlined_in_a_host():
    assert at(f"/ipns/{KEY32}/").subdomain_url("dweb.link") == f"http://{KEY36}.ipns.dweb.link/"
    assert len(at(f"/ipns/{PEER}").label) <= 63
    url = at("/ipns/en.wikipedia-on-ipfs.org/wiki/").subdomain_url("dweb.link", scheme="https")
    assert url == "https://en-wikipedia--on--ipfs-org.ipns.dweb.link/wiki/"


def test_a_cid_that_fits_no_label_is_a_bad_request_by_path_and_by_host():
    with pytest.raises(BadRequest, match="CID incompatible with DNS label length limit of 63"):
        at(f"/ipfs/{SHA2_512}").subdomain_url("localhost")
    site = read_host(f"{SHA2_512}.ipfs.localhost", ["localhost"])
    assert site is not None
    with pytest.raises(BadRequest, match="CID incompatible with DNS label length limit of 63"):
        site.at("/")


def test_a_domain_that_fits_no_label_is_a_bad_request():
    with pytest.raises(BadRequest) as caught:
        _ = at("/ipns/" + "a-b." * 15 + "org").label
    assert caught.value.limit == 63


# --- URI router


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        (f"ipfs://{V0}/wiki/Diego_Maradona.html", f"/ipfs/{V0}/wiki/Diego_Maradona.html"),
        ("ipns://en.wikipedia-on-ipfs.org", "/ipns/en.wikipedia-on-ipfs.org"),
        (f"ipfs://{V1}/a%20b?x=1&y=%2F#top", f"/ipfs/{V1}/a%20b?x=1&y=%2F#top"),
    ],
)
def test_an_address_leads_to_its_path(uri, location):
    assert uri_target(uri) == Moved(location)


@pytest.mark.parametrize(
    "uri",
    ["", "http://x/", "javascript:alert(1)", "ipfs:", "ipfs:///x", "//host/x", "ipfs://[x", "ipfs://a/%zz"],
)
def test_any_other_address_is_a_bad_request(uri):
    with pytest.raises(BadRequest) as caught:
        uri_target(uri)
    assert caught.value.field == "uri"


def test_an_address_leads_nowhere_but_to_this_gateway():
    location = uri_target("ipfs://a@evil.example:80\r\n/b\r\nSet-Cookie: c").location
    assert location.startswith("/ipfs/a%40evil.example%3A80")
    assert "\r" not in location
    assert "\n" not in location
