"""Sites with a `_redirects` file (https://specs.ipfs.tech/http-gateways/web-redirects-file/), on hosts of
their own."""

from __future__ import annotations

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The rules of the specification's own example.
RULES = b"""/redirect-one /one.html
/301-redirect-one /one.html 301
/302-redirect-two /two.html 302
/200-index /index.html 200
/posts/:year/:month/:day/:title /articles/:year/:month/:day/:title 301
/splat/* /redirected-splat/:splat 301
/not-found/* /404.html 404
/gone/* /410.html 410
/unavail/* /451.html 451
/* /index.html 200
"""
PAGES = {
    "index.html": b"my index",
    "one.html": b"my one",
    "two.html": b"my two",
    "404.html": b"my 404",
    "410.html": b"my 410",
    "451.html": b"my 451",
    "articles/2022/10/01/hello.html": b"an article",
    "empty dir/kept.txt": b"kept",
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def host(node):
    root = await node.tree(PAGES | {"_redirects": RULES})
    return f"{root}.ipfs.localhost"


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/redirect-one", 301, "/one.html"),
        ("/301-redirect-one", 301, "/one.html"),
        ("/302-redirect-two", 302, "/two.html"),
        ("/posts/2022/10/01/hello.html", 301, "/articles/2022/10/01/hello.html"),
        ("/splat/one.html", 301, "/redirected-splat/one.html"),
        ("/splat/a/b%20c", 301, "/redirected-splat/a/b%20c"),
    ],
)
async def test_a_path_that_is_not_there_is_redirected_by_the_first_rule_that_fits(
    web, host, path, status, location
):
    for found in (await web.get(path, host=host), await web.head(path, host=host)):
        assert (found.status, found.headers["Location"]) == (status, location)


@pytest.mark.parametrize("path", ["/200-index", "/has-no-redirects-entry", "/app/deep/link"])
async def test_a_rewrite_answers_with_the_other_file_under_the_same_url(web, host, path):
    found = await web.get(path, host=host)
    assert (found.status, found.body) == (200, b"my index")
    assert found.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("status", [404, 410, 451])
async def test_a_site_has_its_own_pages_for_what_it_has_not(web, host, status):
    path = {404: "/not-found/x", 410: "/gone/x", 451: "/unavail/x"}[status]
    found = await web.get(path, host=host)
    assert (found.status, found.body) == (status, f"my {status}".encode())
    head = await web.head(path, host=host)
    assert (head.status, head.body) == (status, b"")


async def test_what_is_there_is_never_redirected(web, host):
    assert (await web.get("/one.html", host=host)).body == b"my one"
    assert (await web.get("/empty%20dir/kept.txt", host=host)).body == b"kept"
    found = await web.get("/empty%20dir/", host=host)
    assert b"kept.txt" in found.body


async def test_rules_are_not_evaluated_where_content_shares_its_host(web, host):
    root = host.partition(".")[0]
    assert (await web.get(f"/ipfs/{root}/redirect-one")).status == 404


async def test_query_fields_of_the_request_are_kept_and_win(web, node):
    root = await node.tree({"_redirects": b"/source/* /target?a=static&b=2 301\n", "x": b"x"})
    found = await web.get("/source/y?a=given&c=3", host=f"{root}.ipfs.localhost")
    location = found.headers["Location"]
    assert location.startswith("/target?")
    assert set(location.partition("?")[2].split("&")) == {"a=given", "b=2", "c=3"}


@pytest.mark.parametrize(
    "rules", [b"/a /b 300", b"only-one-word", b"/a/:x/:x /b", b"\xff\xfe", b"# x\n" * 20_000]
)
async def test_a_file_that_cannot_be_read_is_told_with_500(web, node, rules):
    root = await node.tree({"_redirects": rules, "x": b"x"})
    host = f"{root}.ipfs.localhost"
    found = await web.get("/missing", host=host)
    assert (found.status, b"_redirects" in found.body or b"redirects file" in found.body) == (500, True)
    assert (await web.get("/x", host=host)).status == 200


async def test_the_rule_that_names_a_missing_file_is_not_found(web, node):
    root = await node.tree({"_redirects": b"/* /nowhere.html 200\n", "x": b"x"})
    assert (await web.get("/missing", host=f"{root}.ipfs.localhost")).status == 404


async def test_without_rules_a_missing_path_is_not_found(web, node):
    root = await node.tree({"x": b"x"})
    assert (await web.get("/missing", host=f"{root}.ipfs.localhost")).status == 404


async def test_no_rule_leads_to_another_host_by_a_path_with_two_slashes(web, node):
    root = await node.tree({"_redirects": b"/go/* /:splat 302\n", "x": b"x"})
    found = await web.get("/go//evil.example/", host=f"{root}.ipfs.localhost")
    assert not found.headers["Location"].startswith("//")
