"""Content paths: every form that people write leads to the same typed path, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.paths import ContentPath, Domain, parse_name, parse_path
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest

TEXT = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
V0 = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
NAME = PrivateKey.generate().name


@pytest.mark.parametrize(
    "form", ["/ipfs/{}/a/b", "{}/a/b", "ipfs://{}/a/b", "IPFS://{}/a/b/", "/ipfs/{}//a/b/"]
)
@pytest.mark.parametrize("cid", [TEXT, V0])
def test_a_path_below_a_cid_has_many_forms(form, cid):
    path = parse_path(form.format(cid))
    assert path == ContentPath(CID.parse(cid), ("a", "b"))
    assert not path.is_mutable
    assert str(path) == f"/ipfs/{cid}/a/b"
    assert path.rest == "a/b"


@pytest.mark.parametrize("form", ["/ipns/{}/a", "ipns://{}/a", "ipns://{}/a?download=1#top"])
@pytest.mark.parametrize(
    "name",
    [str(NAME), NAME.peer_id, NAME.text("base32"), f"{NAME}".upper()],
    ids=["base36", "peer id", "base32", "BASE36"],
)
def test_a_path_below_a_name_has_many_forms(form, name):
    path = parse_path(form.format(name))
    assert path == ContentPath(NAME, ("a",))
    assert path.is_mutable
    assert str(path) == f"/ipns/{NAME}/a"


def test_a_bare_key_cid_is_a_name():
    assert parse_path(f"{NAME}/a") == ContentPath(NAME, ("a",))


def test_a_name_under_ipfs_is_refused_with_the_right_path():
    with pytest.raises(BadRequest, match=f"use /ipns/{NAME}"):
        parse_path(f"/ipfs/{NAME}")


@pytest.mark.parametrize(
    "text", ["/ipns/docs.ipfs.tech/a", "ipns://Docs.IPFS.tech/a", "/ipns/docs.ipfs.tech./a"]
)
def test_a_domain_is_a_root_too(text):
    path = parse_path(text)
    assert path == ContentPath(Domain("docs.ipfs.tech"), ("a",))
    assert str(path) == "/ipns/docs.ipfs.tech/a"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no CID follows"),
        ("/", "neither /ipfs/ nor /ipns/"),
        ("/ipfs", "no CID follows"),
        ("/ipfs//a", "no CID follows"),
        ("/ipns/", "no name follows"),
        ("/ipld/" + TEXT, "neither /ipfs/ nor /ipns/"),
        ("/ipfs/hello", "multibase"),
        ("/ipns/nobody", "no IPNS name"),
        (f"/ipns/{TEXT}", "a CID of raw; the same hash as libp2p-key is k2"),
        ("/ipns/a..b", "neither an IPNS name nor a domain"),
        ("/ipns/-a.b", "neither an IPNS name nor a domain"),
        ("/ipns/" + "a" * 64 + ".b", "neither an IPNS name nor a domain"),
        (f"/ipfs/{TEXT}/../x", "name nothing here"),
        (f"/ipfs/{TEXT}/./x", "name nothing here"),
        ("https://example.com", "multibase"),
        (f"/ipfs/{TEXT}/" + "a" * 5000, "longer than 4200"),
    ],
)
def test_what_is_no_path_is_refused_and_named(text, problem):
    with pytest.raises(BadRequest, match=problem) as caught:
        parse_path(text, "where")
    assert caught.value.field == "where"


def test_names_may_have_their_namespace_before_them():
    assert parse_name(f"/ipns/{NAME}") == parse_name(str(NAME)) == NAME
    assert parse_name("/ipns/example.com/") == "example.com"


def test_a_path_can_be_joined_with_names():
    assert str(parse_path(f"/ipfs/{TEXT}/a").joined(("b", "c"))) == f"/ipfs/{TEXT}/a/b/c"


@given(st.text() | st.text(alphabet="/.:ipfns" + TEXT[:12]))
def test_any_text_is_a_path_or_a_bad_request(text):
    try:
        path = parse_path(text)
    except BadRequest:
        return
    assert parse_path(str(path)) == path
