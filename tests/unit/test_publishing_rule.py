"""Publishing: no version without a change, numbers that grow by one and come once, and a death at any step."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mayfly_model.function import Function, FunctionSpec
from mayfly_model.limits import VERSION_NUMBER_MAX
from mayfly_model.objects import RefusedError
from mayfly_model.publishing import (
    Publication,
    Unchanged,
    alias_revision_id,
    applied,
    content,
    latest_revision_id,
    latest_version,
    publication,
    publication_as,
    version_revision_id,
)
from mayfly_model.version import VersionSpec

SPEC = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x = 1\n"}}}
NOBODY = VersionSpec(function_name="hello")
"""A version that a person applied and nobody has published yet."""


def latest(**fields):
    return latest_version(Function.model_validate({"metadata": {"name": "hello"}, "spec": SPEC | fields}))


def test_the_first_version_is_1_and_says_what_latest_says():
    found = publication(latest(description="as declared"), {}, 0)
    assert found == Publication(
        1, latest(description="as declared").model_copy(update={"function_version": "1"})
    )
    assert applied(found.spec)["description"] == "as declared"


def test_a_description_of_its_own_goes_before_the_functions():
    assert publication(latest(description="old"), {}, 0, "new").spec.description == "new"
    assert publication(latest(description="old"), {}, 0, "").spec.description == ""


def test_the_gateways_number_of_instances_is_no_part_of_a_version():
    busy = latest().model_copy(update={"instances": 7})
    assert publication(busy, {}, 0).spec.instances is None


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "new"},
        {"reservedConcurrentExecutions": 7},
        {"publish": "OnChange"},
        {"eventInvokeConfig": {"maximumRetryAttempts": 0}},
        {"memorySize": 128},
    ],
)
def test_what_is_the_functions_alone_is_no_change(fields):
    assert publication(latest(**fields), {1: latest()}, 1) == Unchanged(1)


@pytest.mark.parametrize(
    "fields",
    [
        {"code": {"inline": {"app.py": "x = 2\n"}}},
        {"code": {"archive": "sha256:" + "0a" * 32}},
        {"handler": "app.other"},
        {"runtime": "python3.11"},
        {"functionName": "My_Fn"},
        {"memorySize": 256},
        {"timeout": 4},
        {"keepAlive": 1},
        {"ephemeralStorage": {"size": 513}},
        {"serviceAccountName": "role"},
        {"environment": {"variables": {"MODE": "x"}}},
        {"deadLetterConfig": {"sqs": {"queueUrl": "http://sqs/q"}}},
        {"recursiveLoop": "Allow"},
        {"loggingConfig": {"logFormat": "JSON"}},
    ],
)
def test_any_other_change_makes_a_version(fields):
    assert publication(latest(**fields), {1: latest()}, 1).number == 2


def test_every_field_is_a_change_or_is_none_on_purpose():
    none = {"description", "reserved_concurrent_executions", "publish", "event_invoke_config"}
    a_change = {
        *(
            "function_name",
            "package_type",
            "runtime",
            "handler",
            "code",
            "memory_size",
            "timeout",
            "keep_alive",
        ),
        *("ephemeral_storage", "service_account_name", "environment", "logging_config"),
        *("dead_letter_config", "recursive_loop"),
    }
    assert none | a_change == set(FunctionSpec.model_fields)


def test_only_the_last_version_stands_for_no_change():
    older = {1: latest(), 2: latest(memorySize=256)}
    assert publication(latest(), older, 2).number == 3
    assert publication(latest(memorySize=256), {2: older[2]}, 3).number == 4


def test_a_version_that_the_counter_has_not_reached_is_the_last():
    assert publication(latest(), {3: latest()}, 2) == Unchanged(3)
    assert publication(latest(timeout=9), {3: latest()}, 2).number == 4


def test_a_number_that_a_person_asks_for_is_not_given_to_another():
    assert publication(latest(), {1: NOBODY}, 0).number == 2
    assert publication(latest(), {1: latest(), 5: NOBODY}, 1) == Unchanged(1)


def test_a_person_may_leave_numbers_out_but_not_go_back():
    found = publication_as(7, latest(), 3, "by hand")
    assert (found.number, found.spec.function_version, found.spec.description) == (7, "7", "by hand")
    assert found.spec.configuration == latest().configuration
    for number in (3, 2):
        with pytest.raises(
            RefusedError, match=r"^VersionNumberUsed: found version \d; allowed: a number above 3"
        ):
            publication_as(number, latest(), 3)


def test_after_the_last_number_nothing_is_published():
    with pytest.raises(RefusedError, match=r"^VersionNumberUsed: no number is left"):
        publication(latest(), {}, VERSION_NUMBER_MAX)
    assert publication(latest(), {VERSION_NUMBER_MAX: latest()}, VERSION_NUMBER_MAX) == Unchanged(
        VERSION_NUMBER_MAX
    )


def test_what_is_read_back_is_no_change():
    published = publication(latest(), {}, 0)
    read = VersionSpec.model_validate(applied(published.spec), by_alias=True)
    assert content(read) == content(latest())


@given(st.uuids(), st.uuids(), st.integers(0, 2**53), st.integers(0, 2**53))
def test_revision_ids_are_uuids_that_follow_what_they_are_made_of(one, other, generation, last):
    ids = [
        latest_revision_id(str(one), generation, last),
        latest_revision_id(str(one), generation + 1, last),
        latest_revision_id(str(one), generation, last + 1),
        version_revision_id(str(one)),
        alias_revision_id(str(one), generation),
        alias_revision_id(str(one), generation + 1),
    ]
    assert [str(uuid.UUID(each)) for each in ids] == ids
    assert len(set(ids)) == len(ids)
    assert latest_revision_id(str(one), generation, last) == ids[0]
    assert (version_revision_id(str(other)) == ids[3]) == (one == other)


class Publishing(RuleBasedStateMachine):
    """A Function that is edited and published by several who may die between any two of their steps."""

    def __init__(self):
        super().__init__()
        self.latest = latest()
        self.versions = {}
        self.last = 0
        self.given = []

    @rule(memory=st.integers(128, 130), description=st.sampled_from(["", "a"]))
    def edit(self, memory, description):
        self.latest = latest(memorySize=memory, description=description)

    @rule(dies=st.booleans())
    def publish(self, dies):
        self.done(publication(self.latest, self.versions, self.last), dies)

    @rule(ahead=st.integers(1, 3), dies=st.booleans())
    def publish_by_number(self, ahead, dies):
        self.counted()
        self.done(publication_as(self.last + ahead, self.latest, self.last), dies)

    @rule()
    def counted(self):
        """What everybody does who finds the counter behind."""
        self.last = max(self.last, *self.versions, 0)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def delete(self, data):
        self.counted()
        del self.versions[data.draw(st.sampled_from(sorted(self.versions)))]

    def done(self, outcome, dies):
        if isinstance(outcome, Publication):
            assert outcome.number > max(self.given, default=0)
            self.given.append(outcome.number)
            self.versions[outcome.number] = outcome.spec
            assert outcome.spec.revision == self.latest.revision
        else:
            assert outcome.number == self.given[-1]
            assert content(self.versions[outcome.number]) == content(self.latest)
        if not dies:
            self.last = max(self.last, outcome.number)

    @invariant()
    def publishing_again_changes_nothing(self):
        before = publication(self.latest, self.versions, self.last)
        if isinstance(before, Publication):
            after = publication(self.latest, self.versions | {before.number: before.spec}, self.last)
            assert before.number == max(self.given, default=0) + 1
            assert after == Unchanged(before.number)


TestPublishing = Publishing.TestCase
