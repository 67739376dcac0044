"""`_redirects` files, by the sections of the web redirects file spec."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cidbus.http_bridge.gateway.redirects_file import MAX_FILE_BYTES, Answer, BadRedirectsFile, RedirectsFile

EXAMPLE = b"""/redirect-one /one.html
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
QUERIES = b"""# redirect to URL with some static query parameters
/source1/* /target-file?static-query1=static-val1&static-query2=static-val2 301

# redirect to URL where path segments are converted to query parameters
/source2/:code/:name /target-file?code=:code&name=:name 301

/source3/* https://example.net/target3/:splat 301
"""


def answer(rules: bytes, path: str, query: str = "") -> Answer | None:
    return RedirectsFile.parse(rules).answer(path, query)


@pytest.mark.parametrize(
    ("path", "status", "target"),
    [
        ("/redirect-one", 301, "/one.html"),
        ("/301-redirect-one", 301, "/one.html"),
        ("/302-redirect-two", 302, "/two.html"),
        ("/200-index", 200, "/index.html"),
        ("/posts/2022/06/15/hello-world", 301, "/articles/2022/06/15/hello-world"),
        ("/splat/one.html", 301, "/redirected-splat/one.html"),
        ("/not-found/x", 404, "/404.html"),
        ("/gone/x/y", 410, "/410.html"),
        ("/unavail/", 451, "/451.html"),
        ("/anything/else", 200, "/index.html"),
        ("/", 200, "/index.html"),
    ],
)
def test_the_example_of_the_spec_answers_as_it_says(path, status, target):
    assert answer(EXAMPLE, path) == Answer(status, target)


# --- Status


@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308, 404, 410, 451])
def test_every_status_of_the_spec_is_supported(status):
    found = answer(b"/a /b %d" % status, "/a")
    assert found == Answer(status, "/b")
    assert found.is_redirect is (300 < status < 400)


def test_301_is_the_default():
    assert answer(b"/a /b", "/a") == Answer(301, "/b")


@pytest.mark.parametrize("status", ["100", "42", "500", "300", "0301", "+301", "３０１", "x"])
def test_any_other_status_is_an_error(status):
    with pytest.raises(BadRedirectsFile, match="is not supported"):
        RedirectsFile.parse(f"/a /b {status}".encode())


def test_a_forced_redirect_is_an_error():
    with pytest.raises(BadRedirectsFile, match="forced redirects"):
        RedirectsFile.parse(b"/home / 301!")


# --- Placeholders


def test_a_placeholder_matches_one_segment():
    assert answer(b"/a/:x/c /:x", "/a/b/c") == Answer(301, "/b")
    assert answer(b"/a/:x/c /:x", "/a/b/b/c") is None
    assert answer(b"/a/:x /:x", "/a") is None


def test_the_same_placeholder_twice_in_from_is_an_error():
    with pytest.raises(BadRedirectsFile, match="named twice"):
        RedirectsFile.parse(b"/:a/:a /x")


def test_the_same_placeholder_twice_in_to_is_filled_in_twice():
    assert answer(b"/:a /:a/:a", "/x") == Answer(301, "/x/x")


def test_the_longest_name_counts():
    assert answer(b"/:a/:ab /:ab/:a", "/1/2") == Answer(301, "/2/1")


def test_what_is_no_placeholder_stands_for_itself():
    assert answer(b"/:a https://x.example:8080/:b/:a", "/1") == Answer(301, "https://x.example:8080/:b/1")


# --- Catch-All Splat


def test_a_splat_takes_the_rest_even_if_it_is_empty():
    assert answer(b"/posts/* /articles/:splat", "/posts/2022/06/15/hello") == Answer(
        301, "/articles/2022/06/15/hello"
    )
    assert answer(b"/posts/* /articles/:splat", "/posts") == Answer(301, "/articles/")


def test_a_splat_may_begin_inside_a_segment():
    assert answer(b"/old* /new:splat", "/old-site/a") == Answer(301, "/new-site/a")
    assert answer(b"/old* /new:splat", "/other") is None


@pytest.mark.parametrize("rule", [b"/*/a /x", b"/a/*/* /x", b"/** /x"])
def test_a_splat_anywhere_but_at_the_end_is_an_error(rule):
    with pytest.raises(BadRedirectsFile, match="asterisk"):
        RedirectsFile.parse(rule)


# --- Comments, Line Termination, Whitespace Characters


def test_comments_and_blank_lines_are_ignored():
    assert answer(b"# a\n\n  \t \n   # b\n/a /b\n", "/a") == Answer(301, "/b")


@pytest.mark.parametrize("text", [b"/a /b\n/c /d", b"/a /b\r\n/c /d\r\n", b" \t/a \t /b \n\t/c /d\t"])
def test_lines_end_in_either_way_and_space_around_them_does_not_count(text):
    assert answer(text, "/a") == Answer(301, "/b")
    assert answer(text, "/c") == Answer(301, "/d")


# --- Max File Size


def test_a_file_of_the_maximal_size_is_read_and_one_byte_more_is_an_error():
    full = b"/a /b\n" + b"#" * (MAX_FILE_BYTES - 6)
    assert answer(full, "/a") == Answer(301, "/b")
    with pytest.raises(BadRedirectsFile, match="redirects file size cannot exceed"):
        RedirectsFile.parse(full + b"#")


# --- Order


def test_the_first_rule_that_matches_counts():
    assert answer(b"/a /1\n/a /2\n/* /3", "/a") == Answer(301, "/1")


def test_where_no_rule_matches_there_is_no_answer():
    assert answer(b"/a /b", "/c") is None
    assert answer(b"", "/c") is None


# --- Error Handling


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (b"hello", "missing 'to'"),
        (b"/a /b 301 x", "must match format"),
        (b"a /b", "'from' must begin with '/'"),
        (b"/a b", "'to' must begin with '/'"),
        (b"/a javascript:alert(1)", "'to' must begin with '/'"),
        (b"/a //evil.example/", "'to' must begin with '/'"),
        (b"/a https://x.example/ 200", "needs a path"),
        (b"/: /x", "1 to 64 characters"),
        (b"/a http://[x", "not a URL"),
        (b"/\xff /a", "not UTF-8"),
    ],
)
def test_an_error_names_its_line_and_is_the_servers(rule, problem):
    with pytest.raises(BadRedirectsFile, match=problem) as caught:
        RedirectsFile.parse(b"# first\n\n" + rule)
    assert caught.value.line == 3
    assert caught.value.code == 500
    assert str(caught.value).startswith("could not parse _redirects: line 3: ")


# --- Query Parameters


def test_the_query_of_the_request_is_kept():
    assert answer(QUERIES, "/source3/this/is", "a=1&b") == Answer(
        301, "https://example.net/target3/this/is?a=1&b="
    )


def test_the_query_of_the_request_is_added_to_that_of_the_rule():
    found = answer(QUERIES, "/source1/x", "dynamic=d")
    assert found == Answer(301, "/target-file?static-query1=static-val1&static-query2=static-val2&dynamic=d")


def test_the_query_of_the_request_wins():
    found = answer(QUERIES, "/source1/x", "static-query1=mine")
    assert found == Answer(301, "/target-file?static-query2=static-val2&static-query1=mine")


def test_segments_become_query_parameters_without_adding_any():
    assert answer(QUERIES, "/source2/a&b/c=d") == Answer(301, "/target-file?code=a%26b&name=c%3Dd")


# --- Security


def test_a_location_is_percent_encoded_and_a_file_is_not():
    assert answer("/ą/* /ę/:splat".encode(), "/ą/ź ł") == Answer(301, "/%C4%99/%C5%BA%20%C5%82")
    assert answer("/ą/* /ę/:splat?x 200".encode(), "/ą/ź ł") == Answer(200, "/ę/ź ł")
    assert answer(b"/%C4%85 /%C4%99?q=1#x 200", "/ą") == Answer(200, "/ę")


def test_a_path_cannot_make_a_redirect_leave_the_site():
    assert answer(b"/x/* /:splat", "/x//evil.example") == Answer(301, "/evil.example")
    found = answer(b"/x/* /:splat", "/x/\\evil\r\nSet-Cookie: a")
    assert found == Answer(301, "/%5Cevil%0D%0ASet-Cookie:%20a")


def test_a_target_that_grows_without_bounds_is_an_error():
    rules = RedirectsFile.parse(b"/* /" + b":splat" * 10_000)
    with pytest.raises(BadRedirectsFile, match="8192 characters"):
        rules.answer("/" + "a" * 8000)


@pytest.mark.parametrize(
    "text",
    [
        b"/" + b"a/" * 30_000 + b"* /b",
        b"/:" + b"a" * 60 + b" /:" + b"a" * 65_000,
        b"/:a/:b/:c/x /y\n" * 4_000,
        b"/* /" + b":" * 60_000,
        b"/a /b?" + b"&" * 60_000,
    ],
)
def test_no_file_takes_long_to_read_and_match(text):
    began = time.process_time()
    with suppress(BadRedirectsFile):
        RedirectsFile.parse(text).answer("/a" * 256, "q=1")
    assert time.process_time() - began < 2


@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=20))
def test_any_file_is_read_or_refused(raw, path, query):
    try:
        found = RedirectsFile.parse(raw).answer(path, query)
    except BadRedirectsFile:
        return
    assert found is None or found.target
