"""Which `$LATEST` a Function asks for, and whose a Lambda name is that two Functions ask for."""

import base64
import hashlib

import pytest
from tests.unit.operator_objects import NEW, function, function_item, version

from mayfly_model.conditions import Reason
from mayfly_operator import functions, resources
from mayfly_operator.cache import Cache
from mayfly_operator.views import read_version

EARLY, LATE = "2026-11-25T09:00:00Z", "2026-11-25T09:00:01Z"


def cache_of(*items):
    cache = Cache()
    for each in items:
        cache.put_function(each)
    return cache


def winner(cache, one):
    rival = functions.rival(one, cache.claimants(one.namespace, one.lambda_name))
    return (rival or one).name


def test_the_older_function_has_the_name():
    old, young = (
        function("b", functionName="api", created=EARLY),
        function("a", functionName="api", created=LATE),
    )
    cache = cache_of(old, young)
    assert (winner(cache, old), winner(cache, young)) == ("b", "b")
    told = functions.conflict(young, old)
    assert told.reason == Reason.FUNCTION_NAME_CONFLICT
    assert "api" in told.message
    assert "b" in told.message


def test_of_two_of_the_same_second_everybody_names_the_same_one():
    one, other = function("a", functionName="api"), function("b", functionName="api")
    cache = cache_of(other, one)
    assert winner(cache, one) == winner(cache, other) == "a"


def test_an_object_name_is_a_lambda_name_too():
    plain, named = function("api", created=LATE), function("b", functionName="api", created=EARLY)
    assert winner(cache_of(plain, named), plain) == "b"


def test_two_functions_that_are_renamed_into_each_other_both_have_what_they_ask_for():
    cache = cache_of(
        function("a", functionName="x", created=EARLY), function("b", functionName="y", created=LATE)
    )
    first = function("a", functionName="y", created=EARLY)
    cache.put_function(first)
    assert winner(cache, first) == "a"
    second = function("b", functionName="x", created=LATE)
    cache.put_function(second)
    assert (winner(cache, first), winner(cache, second)) == ("a", "b")


def test_a_function_that_is_deleted_claims_nothing():
    old, young = (
        function("b", functionName="api", created=EARLY),
        function("a", functionName="api", created=LATE),
    )
    cache = cache_of(old, young)
    cache.remove_function(old.key, old.uid)
    assert winner(cache, young) == "a"


def test_whoever_still_bears_a_name_is_known():
    cache = cache_of(function("hello", functionName="new"))
    cache.put_version(version(configuration={"functionName": "old"}))
    assert cache.named("shop", "old") == {("shop", "hello")}
    assert cache.named("shop", "new") == {("shop", "hello")}


def test_the_latest_is_the_functions_content_and_configuration():
    item = function_item(memorySize=512)
    spec = functions.version_spec(item)
    manifest = resources.version(functions.read(item), spec)
    assert manifest["metadata"]["name"] == "hello.latest"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-hello"
    assert (spec["functionName"], spec["functionVersion"]) == ("hello", "$LATEST")
    assert spec["configuration"]["functionName"] == "hello"
    assert spec["configuration"]["memorySize"] == 512
    digest = hashlib.sha256(b'{"app.py":"pass"}').digest()
    assert spec["codeSha256"] == base64.b64encode(digest).decode()
    assert "instances" not in spec


def stored(item, **more):
    """The `$LATEST` of a Function as an API server has it, with what the gateway wrote."""
    manifest = resources.version(functions.read(item), functions.version_spec(item))
    manifest["metadata"] |= {"uid": "uid-version", "resourceVersion": "1"}
    manifest["spec"] |= more
    return read_version(manifest)


def test_a_latest_that_says_the_same_is_left_alone_however_many_instances_it_has():
    item = function_item()
    assert functions.is_settled(functions.read(item), stored(item, instances=7), None)


@pytest.mark.parametrize(
    "change", [{"memorySize": 512}, {"description": "new"}, {"code": {"inline": {"app.py": "0"}}}], ids=str
)
def test_whatever_changes_in_a_function_changes_its_latest(change):
    assert not functions.is_settled(function(**change), stored(function_item()), None)


def test_a_latest_that_somebody_changed_is_set_right():
    item = function_item()
    assert not functions.is_settled(functions.read(item), stored(item, revision=NEW), None)


def test_a_latest_left_over_from_a_former_function_of_that_name_is_set_right():
    item = function_item()
    former = stored(item)
    item["metadata"]["uid"] = "uid-hello-again"
    assert not functions.is_settled(functions.read(item), former, None)


def test_what_cannot_be_is_told_in_a_sentence():
    view = function(timeout=901)
    assert view.refused.reason == Reason.INVALID_SPEC
    assert view.refused.message == "spec.timeout: found 901; allowed: 1 to 900 (seconds)"


def test_a_runtime_that_is_not_installed_still_makes_a_latest_that_says_so_to_callers():
    assert function(runtime="ruby3.4").refused is None


def test_code_in_a_config_map_becomes_part_of_the_version():
    item = function_item(code={"configMap": {"name": "files"}})
    assert functions.read(item).wanted is None
    spec = functions.version_spec(item, {"app.py": b"pass"})
    assert spec["configuration"]["code"] == {"inline": {"app.py": "pass"}}
