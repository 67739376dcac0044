"""Content negotiation, by the sections of the path gateway and trustless gateway specs."""

import pytest

from cidbus.http_bridge.gateway.formats import (
    CarWanted,
    DagScope,
    EntityBytes,
    Format,
    NotAcceptable,
    Wanted,
    read_wanted,
)
from cidbus.schemas.errors import BadRequest

RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
MEDIA_TYPES = {
    "raw": "application/vnd.ipld.raw",
    "car": "application/vnd.ipld.car",
    "tar": "application/x-tar",
    "dag-json": "application/vnd.ipld.dag-json",
    "dag-cbor": "application/vnd.ipld.dag-cbor",
    "json": "application/json",
    "cbor": "application/cbor",
    "ipns-record": "application/vnd.ipfs.ipns-record",
}

# --- Accept (request header)


@pytest.mark.parametrize(("name", "media_type"), MEDIA_TYPES.items())
def test_accept_names_each_response_format(name, media_type):
    assert read_wanted({}, media_type).format == name


@pytest.mark.parametrize("accept", ["", "*/*", "application/*", "image/png, image/*", "text/plain;q=0.1"])
def test_what_is_no_response_format_means_the_content_as_it_is(accept):
    assert read_wanted({}, accept) == Wanted()


def test_a_browser_gets_the_content_as_it_is_and_may_be_shown_pages():
    wanted = read_wanted({}, BROWSER)
    assert wanted.format is None
    assert wanted.html


def test_the_format_of_most_weight_is_chosen():
    accept = f"application/vnd.ipld.dag-json;q=0.1, {CAR};q=0.2"
    assert read_wanted({}, accept).format is Format.CAR


def test_of_equal_weights_the_first_is_chosen_and_a_wildcard_is_last():
    assert read_wanted({}, f"*/*, {RAW}, {CAR}").format is Format.RAW


def test_a_format_of_less_weight_than_a_page_does_not_replace_it():
    assert read_wanted({}, "text/html, application/json;q=0.5").format is None


def test_a_client_that_also_takes_anything_is_told_apart_from_one_that_insists():
    assert read_wanted({}, "application/json, text/plain, */*").as_it_is
    assert not read_wanted({}, "application/json").as_it_is


def test_a_format_of_weight_zero_is_unwelcome():
    assert read_wanted({}, f"{CAR};q=0").format is None


def test_case_and_spaces_do_not_matter():
    assert read_wanted({}, " Application/VND.ipld.RAW ; Q=1.0").format is Format.RAW


def test_media_ranges_that_cannot_be_read_are_passed_over():
    assert read_wanted({}, "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2").html
    assert read_wanted({}, f";;, {RAW};q=high, {CAR}").format is Format.CAR


def test_a_comma_inside_quotes_ends_nothing():
    assert read_wanted({}, f'text/x;a="b, {RAW}"').format is None


def test_an_ipld_type_that_nobody_serves_is_not_acceptable():
    with pytest.raises(NotAcceptable) as caught:
        read_wanted({}, "application/vnd.ipld.dag-xml")
    assert caught.value.code == 406
    assert "application/vnd.ipld.raw" in caught.value.hint


def test_an_accept_header_beyond_its_limit_is_refused():
    with pytest.raises(BadRequest) as caught:
        read_wanted({}, "a/b," * 1100)
    assert (caught.value.field, caught.value.limit) == ("Accept", 4096)


# --- format (request query parameter)


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_format_names_each_response_format(name):
    wanted = read_wanted({"format": name})
    assert wanted.format == name
    assert not wanted.by_accept
    assert wanted.location == ()


def test_format_takes_precedence_over_accept():
    assert read_wanted({"format": "raw"}, CAR).format is Format.RAW


def test_an_unknown_format_is_a_bad_request_that_names_the_known_ones():
    with pytest.raises(BadRequest, match="raw, car, tar") as caught:
        read_wanted({"format": "rwa"})
    assert caught.value.field == "format"


# --- Content-Location (response header)


def test_content_location_names_the_format_that_accept_asked_for():
    wanted = read_wanted({"filename": "a b"}, RAW)
    assert wanted.by_accept
    assert wanted.content_location("/ipfs/bafy/ą") == "/ipfs/bafy/%C4%85?filename=a+b&format=raw"


def test_content_location_is_left_out_where_the_url_says_it_all():
    assert read_wanted({"format": "car"}, CAR).content_location("/ipfs/bafy") is None
    assert read_wanted({}, BROWSER).content_location("/ipfs/bafy") is None


def test_content_location_is_there_where_format_and_accept_differ():
    assert read_wanted({"format": "raw"}, CAR).content_location("/x") == "/x?format=raw"


def test_content_location_has_the_car_parameters_that_accept_said():
    wanted = read_wanted({"format": "car", "car-dups": "y"}, f"{CAR};order=dfs;dups=n")
    assert wanted.content_location("/x") == "/x?car-dups=y&format=car&car-order=dfs"


# --- CAR format signaling


def test_a_car_is_said_to_have_its_version_order_and_duplicates():
    assert read_wanted({"format": "car"}).content_type == f"{CAR}; version=1; order=dfs; dups=n"
    assert read_wanted({}, f"{CAR};dups=y").content_type == f"{CAR}; version=1; order=dfs; dups=y"


def test_format_car_takes_the_parameters_of_the_accept_header():
    assert read_wanted({"format": "car"}, f"{CAR}; version=1; order=dfs; dups=y").car.dups


def test_car_parameters_of_the_query_take_precedence():
    assert read_wanted({"format": "car", "car-dups": "y"}, f"{CAR};dups=n").car.dups
    assert read_wanted({"car-order": "dfs"}, f"{CAR};order=foo").format is Format.CAR


def test_depth_first_is_served_where_any_order_will_do():
    assert "order=dfs" in str(read_wanted({}, f"{CAR};order=unk").content_type)


def test_the_next_preference_counts_where_a_variant_is_not_served():
    wanted = read_wanted({}, f"{CAR};order=foo, {CAR};order=dfs;dups=y;q=0.5")
    assert wanted.car == CarWanted(dups=True)


@pytest.mark.parametrize(
    ("query", "accept", "field"),
    [
        ({"format": "car", "car-version": "2"}, "", "car-version"),
        ({"format": "car", "car-order": "bfs"}, "", "car-order"),
        ({"format": "car", "car-dups": "yes"}, "", "car-dups"),
        ({}, f"{CAR};version=2", "car-version"),
        ({}, f"{CAR};order=bfs", "car-order"),
    ],
)
def test_a_car_variant_that_is_not_served_is_a_bad_request(query, accept, field):
    with pytest.raises(BadRequest) as caught:
        read_wanted(query, accept)
    assert caught.value.field == field


# --- dag-scope and entity-bytes (request query parameters)


def test_dag_scope_is_all_by_default():
    assert read_wanted({"format": "car"}).car.scope is DagScope.ALL


@pytest.mark.parametrize("scope", ["block", "entity", "all"])
def test_dag_scope_takes_its_three_values(scope):
    assert read_wanted({"format": "car", "dag-scope": scope}).car.scope == scope


def test_dag_scope_takes_no_other_value():
    with pytest.raises(BadRequest) as caught:
        read_wanted({"format": "car", "dag-scope": "some"})
    assert caught.value.field == "dag-scope"


def test_entity_bytes_implies_the_scope_entity():
    car = read_wanted({"format": "car", "entity-bytes": "0:*"}).car
    assert car.scope is DagScope.ENTITY
    assert car.entity_bytes == EntityBytes(0, None)


def test_scopes_are_for_cars_alone():
    assert read_wanted({"format": "raw", "dag-scope": "some", "entity-bytes": "x"}).car == CarWanted()


@pytest.mark.parametrize(
    ("text", "offset", "length"),
    [
        ("0:*", 0, 1000),
        ("0:0", 0, 1),
        ("-1024:*", 0, 1000),
        ("-24:*", 976, 24),
        ("499:-100", 499, 402),
        ("-10:-1", 990, 10),
        ("900:5000", 900, 100),
        ("1000:*", 1000, 0),
        ("5000:6000", 1000, 0),
        ("999:-900", 999, 0),
    ],
)
def test_entity_bytes_lie_in_an_entity_as_the_spec_says(text, offset, length):
    asked = read_wanted({"format": "car", "entity-bytes": text}).car.entity_bytes
    assert asked is not None
    assert asked.within(1000) == (offset, length)
    assert str(asked) == text


def test_entity_bytes_of_nothing_are_nothing():
    assert EntityBytes(0).within(0) == (0, 0)
    assert EntityBytes(-5).within(0) == (0, 0)


@pytest.mark.parametrize(
    "text", ["", "1", "1:", ":1", "*:1", "5:3", "-1:-5", "1:2:3", "+1:2", "1" * 19 + ":*", "١:٢"]
)
def test_entity_bytes_that_cannot_be_read_are_a_bad_request(text):
    with pytest.raises(BadRequest) as caught:
        read_wanted({"format": "car", "entity-bytes": text})
    assert caught.value.field == "entity-bytes"


# --- strict trustless mode


@pytest.mark.parametrize("accept", ["", "*/*", "text/html"])
def test_a_trustless_gateway_wants_a_format_to_be_named(accept):
    with pytest.raises(BadRequest) as caught:
        read_wanted({}, accept, deserialized=False)
    assert caught.value.field == "Accept"


@pytest.mark.parametrize("name", ["raw", "car", "ipns-record"])
def test_a_trustless_gateway_serves_what_can_be_verified(name):
    assert read_wanted({"format": name}, deserialized=False).format == name
    assert read_wanted({}, MEDIA_TYPES[name], deserialized=False).format == name


@pytest.mark.parametrize("name", ["tar", "json", "cbor", "dag-json", "dag-cbor"])
def test_a_trustless_gateway_serves_nothing_else(name):
    with pytest.raises(NotAcceptable):
        read_wanted({"format": name}, deserialized=False)
