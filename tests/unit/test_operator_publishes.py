"""What the operator makes of published versions: whose they are, which is next, and why one is not published."""

from datetime import UTC, datetime

import pytest
from tests.unit.operator_objects import NOON, RUNTIMES, function, function_item

from mayfly_model.conditions import Reason
from mayfly_model.labels import version_name
from mayfly_model.publishing import Publication, Unchanged
from mayfly_operator import functions, published, resources, statuses, versions
from mayfly_operator.cache import Cache
from mayfly_operator.views import function_owner

NOW = datetime.fromtimestamp(NOON, UTC)


def version_item(
    number=None, *, owner="uid-hello", description=None, uid=None, state="1", deleting=False, **spec
):
    """`$LATEST` of a Function with this spec, or its version of that number; a number alone is one asked for."""
    item = function_item(**spec)
    name = version_name("hello", "$LATEST" if number is None else str(number))
    content = functions.version_spec(item) if spec or number is None else {"functionName": "hello"}
    if number is not None and spec:
        content["functionVersion"] = str(number)
    if description is not None:
        content["description"] = description
    metadata = {"namespace": "shop", "name": name, "uid": uid or f"uid-{name}", "resourceVersion": state}
    if owner:
        metadata["ownerReferences"] = [{"kind": "Function", "controller": True, "uid": owner}]
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-25T10:00:00Z"
    return {"apiVersion": "mayfly.dev/v1beta1", "kind": "Version", "metadata": metadata, "spec": content}


def version(*arguments, **options):
    return published.read(version_item(*arguments, **options))


def test_what_latest_is_published_as_is_the_same_content():
    assert version(1, timeout=9).content == version(timeout=9).content
    assert version(1, timeout=9).content != version(timeout=8).content
    assert version(1).content == ""


def test_content_is_read_once_while_nothing_that_it_depends_on_changes():
    known = version(1, timeout=9)
    item = version_item(1, timeout=9)
    item["status"] = {"instances": 3}
    item["spec"]["instances"] = 3
    del item["spec"]["configuration"]["code"]
    assert published.read(item).refused is not None
    item = version_item(1, timeout=9)
    item["spec"]["instances"] = 3
    again = published.read(item, known)
    assert (again.content, again.instances) == (known.content, 3)


def test_a_published_version_that_was_changed_starts_no_instance_and_says_so():
    item = version_item(1, timeout=9)
    item["spec"]["configuration"]["environment"] = {"variables": {"MODE": "changed"}}
    changed = published.read(item)
    assert changed.refused.reason == Reason.VERSION_CHANGED
    assert versions.runnable(changed, RUNTIMES) == changed.refused
    plan = versions.plan(changed, [], versions.Attempts(), runtimes=RUNTIMES, now=NOON)
    assert plan.create == ()


@pytest.mark.parametrize("field", ["revision", "codeSha256"])
def test_digests_of_something_else_are_a_changed_version(field):
    item = version_item(1, timeout=9)
    item["spec"][field] = version_item(code={"inline": {"other.py": ""}})["spec"][field]
    assert published.read(item).refused.reason == Reason.VERSION_CHANGED


def test_a_changed_latest_is_set_right_and_so_is_none():
    item = version_item()
    item["spec"]["configuration"]["timeout"] = 77
    assert published.read(item).refused is None


def test_the_lowest_number_that_can_be_had_is_next():
    asked = [version(each, owner=None) for each in (9, 7, 3)]
    assert published.next_asked_for(function(status={"lastPublishedVersion": 3}), asked).number == 7
    assert published.next_asked_for(function(status={"lastPublishedVersion": 9}), asked) is None
    assert published.next_asked_for(function(), [version(1, timeout=9)]) is None
    assert published.next_asked_for(function(), [version(1, deleting=True)]) is None


def test_a_version_of_a_deleted_function_of_the_same_name_is_not_this_ones():
    assert not published.belongs(version(1, timeout=9, owner="uid-former"), function())
    assert published.belongs(version(1, timeout=9), function())
    assert published.belongs(version(1, timeout=9, owner=None), function())


def test_a_version_from_a_backup_has_no_owner_yet_and_one_that_is_asked_for_gets_it_later():
    assert published.is_unowned(version(1, timeout=9, owner=None))
    assert not published.is_unowned(version(1, timeout=9))
    assert not published.is_unowned(version(1, owner=None))


@pytest.mark.parametrize(
    ("last", "made", "due"),
    [
        (0, [], True),
        (1, [{"number": 1, "timeout": 9}], False),
        (1, [{"number": 1, "timeout": 8}], True),
        (2, [{"number": 1, "timeout": 9}], True),
        (2, [{"number": 1, "timeout": 9}, {"number": 2, "timeout": 8}], True),
        (2, [{"number": 1, "timeout": 8}, {"number": 2, "timeout": 9}], False),
        (1, [{"number": 1, "timeout": 9}, {"number": 5}], False),
    ],
)
def test_on_change_the_rule_is_asked_only_where_it_may_say_something(last, made, due):
    there = [version(each.pop("number"), **each) for each in ({**each} for each in made)]
    on_change = function(publish="OnChange", timeout=9, status={"lastPublishedVersion": last})
    assert published.is_due(on_change, version(timeout=9, publish="OnChange"), there) == due
    assert not published.is_due(function(timeout=9), version(timeout=9), there)


def test_the_rule_is_asked_of_what_the_api_server_says():
    latest, newest = version_item(timeout=9), version_item(4, timeout=8)
    outcome = published.on_change(latest, newest, [1, 4, 6], 4)
    assert isinstance(outcome, Publication)
    assert outcome.number == 7
    assert published.on_change(latest, version_item(4, timeout=9), [1, 4], 4) == Unchanged(4)
    assert published.on_change(latest, None, [], 4).number == 5


def test_a_person_keeps_the_description_and_without_one_it_is_the_functions():
    latest = version_item(timeout=9, description="of the function")
    by_person = published.by_number(7, version_item(7, description="before the sale"), latest, 3)
    assert by_person.spec.description == "before the sale"
    assert published.by_number(7, version_item(7), latest, 3).spec.description == "of the function"


def test_what_is_created_is_owned_by_its_function_and_whole():
    outcome = published.on_change(version_item(timeout=9), None, [], 0)
    manifest = resources.published(function(), outcome.number, {"any": 1})
    assert manifest["metadata"]["name"] == "hello.1"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-hello"
    assert "uid" not in manifest["metadata"]
    assert resources.filled(version(7), function(), {})["metadata"]["uid"] == "uid-hello.7"


def test_a_version_is_told_why_it_is_not_published():
    asked = version(3, owner=None)
    assert published.trouble(asked, None).reason == Reason.FUNCTION_NOT_FOUND
    used = published.trouble(asked, function(status={"lastPublishedVersion": 3}))
    assert used.reason == Reason.VERSION_NUMBER_USED
    assert used.message.endswith("Delete hello.3 and apply hello.4.")
    wrong = {"type": "Ready", "status": "False", "reason": "InvalidSpec", "message": "spec.timeout: …"}
    wrong["lastTransitionTime"] = "2026-11-25T09:00:00Z"
    told = published.trouble(asked, function(status={"conditions": [wrong]}))
    assert (told.reason, told.message) == (Reason.INVALID_SPEC, "Function hello: spec.timeout: …")
    assert published.trouble(asked, function()) is None


def test_aliases_are_told_in_order_and_at_once():
    one = version(1, timeout=9)
    first = statuses.version_status(one, [], None, NOW, ["live", "beta"])
    assert first.fields["aliases"] == ["beta", "live"]
    item = version_item(1, timeout=9)
    item["status"] = first.fields
    later = published.read(item)
    assert statuses.version_status(later, [], None, NOW, ["live", "beta"]) is None
    assert statuses.version_status(later, [], None, NOW, []).urgent


def test_a_number_that_was_deleted_before_it_was_counted_is_remembered():
    cache = Cache()
    cache.put_function(function())
    cache.put_version(version(4, timeout=9))
    assert [each.number for each in cache.published(("shop", "hello"))] == [4]
    cache.remove_version(("shop", "hello.4"), "uid-hello.4")
    assert cache.published(("shop", "hello")) == []
    assert cache.highest("uid-hello") == 4
    cache.remove_function(("shop", "hello"), "uid-hello")
    assert cache.highest("uid-hello") == 0


def test_a_version_belongs_to_its_function_whoever_else_has_a_reference_on_it():
    foreign = {"kind": "Bundle", "name": "b", "uid": "foreign", "controller": True}
    own = {"kind": "Function", "name": "hello", "uid": "ours", "controller": False}
    item = {"metadata": {"name": "hello.1", "ownerReferences": [foreign, own]}}
    assert function_owner(item) == "ours"
