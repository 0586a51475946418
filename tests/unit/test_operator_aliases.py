"""What calls by an alias reach, and what is said where it names a version that is not there."""

from datetime import UTC, datetime

import pytest
from tests.unit.operator_objects import NOON, alias_item, function, there, version_item

from mayfly_model.conditions import Reason
from mayfly_operator import aliases, resources
from mayfly_operator.aliases import Serving
from mayfly_operator.cache import Cache
from mayfly_operator.views import read_version

NOW = datetime.fromtimestamp(NOON, UTC)


def alias(*arguments, **options):
    return aliases.read(alias_item(*arguments, **options))


def test_an_alias_serves_what_it_names():
    moved = alias("1", additional="2", weight=0.25)
    assert aliases.trouble(moved, function(), there("1", "2")) is None
    new = aliases.status(moved, None, NOW)
    assert new.fields["functionVersion"] == "1"
    assert new.fields["routing"] == {"additionalVersion": "2", "weight": 0.25}
    assert new.fields["conditions"][0]["reason"] == "Available"


def test_a_status_that_says_so_already_is_not_written_again():
    fields = aliases.status(alias("1", additional="2"), None, NOW).fields
    assert aliases.status(alias("1", additional="2", status=fields), None, NOW) is None
    taken_back = aliases.status(alias("1", status=fields), None, NOW)
    assert "routing" not in taken_back.fields


@pytest.mark.parametrize("options", [{"version": "9"}, {"version": "2", "additional": "9"}])
def test_what_names_a_missing_version_goes_on_as_before(options):
    before = {"functionVersion": "1", "routing": {"additionalVersion": "2", "weight": 0.1}}
    broken = alias(**options, status=before)
    found = aliases.trouble(broken, function(), there("1", "2"))
    assert found.reason == Reason.VERSION_NOT_FOUND
    assert found.message == (
        "hello.9 does not exist: calls go to version 1, 10 % of them to version 2 as before."
    )
    new = aliases.status(broken, found, NOW)
    assert {key: new.fields[key] for key in before} == before
    assert new.fields["conditions"][0]["status"] == "False"


def test_what_never_served_anything_says_that_calls_are_refused():
    found = aliases.trouble(alias("9"), function(), there("1"))
    assert found.message == "hello.9 does not exist: calls are refused."
    assert "functionVersion" not in aliases.status(alias("9"), found, NOW).fields


def test_two_that_are_missing_are_told_together():
    found = aliases.trouble(alias("8", additional="9"), function(), there("1"))
    assert found.message == "hello.8 and hello.9 do not exist: calls are refused."


def test_what_served_a_version_that_has_gone_too_says_that_calls_are_refused():
    found = aliases.trouble(alias("9", status={"functionVersion": "1"}), function(), there())
    assert found.message.endswith("calls are refused.")


def test_an_alias_of_no_function_says_so():
    assert aliases.trouble(alias("1"), None, there("1")).reason == Reason.FUNCTION_NOT_FOUND


def test_an_alias_that_cannot_be_read_says_what_is_wrong():
    wrong = alias("1", additional="1")
    assert aliases.trouble(wrong, function(), there("1")).reason == Reason.INVALID_SPEC


def test_latest_is_a_version_like_the_others():
    latest = alias("$LATEST")
    assert aliases.trouble(latest, function(), there("$LATEST")) is None
    assert aliases.trouble(latest, function(), there()).message.startswith("hello.latest does not exist")


def test_a_version_is_referred_to_by_what_names_it_and_by_what_it_serves_meanwhile():
    assert aliases.refers_to(alias("9", status={"functionVersion": "1"})) == {"9", "1"}
    assert aliases.refers_to(alias("1", additional="2")) == {"1", "2"}


def test_what_is_served_is_told_in_words():
    assert Serving("3").told() == "version 3"
    assert Serving("3", "4", 0.005).told() == "version 3, 0.5 % of them to version 4"


def test_an_owner_is_added_to_those_of_others():
    other = {"kind": "Application", "uid": "a", "controller": True}
    owners = resources.owned([other], function())
    assert owners[0] == other
    assert (owners[1]["uid"], owners[1]["controller"]) == ("uid-hello", False)
    assert resources.owned([], function())[0]["controller"]
    assert len(resources.owned(owners, function())) == 2


def test_aliases_are_found_by_their_function():
    cache = Cache()
    cache.put_alias(alias())
    assert [each.alias for each in cache.aliases_of(("shop", "hello"))] == ["live"]
    cache.remove_alias(("shop", "hello.live"), "uid-hello.live")
    assert cache.aliases_of(("shop", "hello")) == []


def provisioned(told, *, own=None, wanted=2):
    item = alias_item("1")
    item["spec"]["provisionedConcurrentExecutions"] = wanted
    served = version_item(name="hello.1", status={"provisionedConcurrency": told} if told else {})
    if own is not None:
        served["spec"]["provisionedConcurrentExecutions"] = own
    fields = aliases.status(aliases.read(item), None, NOW, version=read_version(served)).fields
    return fields["provisionedConcurrency"], fields["conditions"][0]


def test_an_alias_whose_provisioned_instances_cannot_be_had_is_not_ready():
    failed = {"requested": 2, "available": 0, "status": "FAILED", "statusReason": "QuotaExceeded: full"}
    told, ready = provisioned(failed)
    assert told == failed
    assert (ready["status"], ready["reason"]) == ("False", "QuotaExceeded")


def test_an_alias_claims_no_instances_that_its_version_has_for_itself():
    told, ready = provisioned({"requested": 2, "available": 2, "allocated": 2, "status": "READY"}, own=2)
    assert (told["available"], told["allocated"], told["status"]) == (0, 0, "FAILED")
    assert (ready["status"], ready["reason"]) == ("False", "ProvisioningFailed")


def test_where_calls_go_is_said_in_plain_words():
    both = Serving("1", "2", 0.5)
    assert aliases.moved(Serving(), Serving("1")) == "Calls go to version 1."
    assert aliases.moved(Serving("1"), Serving("2")) == "Calls go to version 2, and went to version 1 before."
    assert (
        aliases.moved(both, Serving("1"))
        == "All calls go to version 1 again; 50 % of them went to version 2 before."
    )
