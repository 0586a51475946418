"""What each qualifier of a function means, whatever came and went in whatever order."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mayfly_gateway.catalogue import Catalogue, target_of
from mayfly_gateway.routes import Route
from mayfly_model.function import FunctionSpec

SPEC = FunctionSpec.model_validate(
    {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "handler = print"}}}
)
VERSIONS = ("$LATEST", "1", "2", "3")
ALIASES = ("live", "beta")


def target(version, *, name="hello", digest="d"):
    return target_of(
        SPEC, cluster="local", namespace="shop", name=name, digest=f"{digest}{version}", version=version
    )


def catalogue(*versions, dice=random.random):
    made = Catalogue(dice=dice)
    for version in versions:
        made.put(target(version))
    return made


def executed(routed, qualifier=None):
    """The version that a call executes; None where there is none."""
    found = routed.resolve("shop", "hello", qualifier)
    return None if found is None else found.version


def test_a_call_without_a_qualifier_means_latest():
    assert executed(catalogue("$LATEST", "1")) == "$LATEST"
    assert executed(catalogue("1")) is None


def test_a_version_is_called_by_its_number():
    routed = catalogue("$LATEST", "1", "10")
    assert executed(routed, "10") == "10"
    assert executed(routed, "$LATEST") == "$LATEST"
    assert executed(routed, "2") is None


def test_an_alias_that_is_moved_leads_there_at_once():
    routed = catalogue("$LATEST", "1", "2")
    for version in ("1", "2", "$LATEST", "1"):
        routed.route("shop", "hello", "live", Route(version))
        assert executed(routed, "live") == version


def test_an_alias_of_a_missing_version_keeps_leading_where_it_led():
    routed = catalogue("$LATEST", "1")
    routed.route("shop", "hello", "live", Route("1"))
    routed.route("shop", "hello", "live", Route("2"))
    routed.route("shop", "hello", "live", Route("1", "2", 0.5))
    assert executed(routed, "live") == "1"
    assert routed.leads("shop", "hello", "live") == Route("1")
    routed.put(target("2"))
    assert routed.leads("shop", "hello", "live") == Route("1", "2", 0.5)


def test_an_alias_of_a_missing_version_leads_where_others_say_it_led():
    routed = catalogue("1")
    routed.route("shop", "hello", "live", Route("2"), last=Route("1"))
    assert executed(routed, "live") == "1"


def test_what_was_seen_here_counts_for_more_than_what_others_say():
    routed = catalogue("1", "3")
    routed.route("shop", "hello", "live", Route("3"))
    routed.route("shop", "hello", "live", Route("2"), last=Route("1"))
    assert executed(routed, "live") == "3"


def test_an_alias_that_never_led_anywhere_leads_nowhere():
    routed = catalogue("1")
    routed.route("shop", "hello", "live", Route("2"))
    assert executed(routed, "live") is None


def test_an_alias_whose_version_is_deleted_leads_nowhere_until_it_is_back():
    routed = catalogue("$LATEST", "1")
    routed.route("shop", "hello", "live", Route("1"))
    routed.remove("shop", "hello", "1")
    assert executed(routed, "live") is None
    routed.put(target("1"))
    assert executed(routed, "live") == "1"


def test_an_alias_that_is_deleted_is_forgotten_with_its_past():
    routed = catalogue("1")
    routed.route("shop", "hello", "live", Route("1"))
    routed.route("shop", "hello", "live", None)
    assert executed(routed, "live") is None
    routed.route("shop", "hello", "live", Route("2"))
    assert executed(routed, "live") is None


def test_a_new_content_of_a_version_is_what_its_aliases_lead_to():
    routed = catalogue("$LATEST", "1")
    routed.route("shop", "hello", "live", Route("$LATEST"))
    routed.put(target("$LATEST", digest="new"))
    assert routed.resolve("shop", "hello", "live").digest == "new$LATEST"


def test_a_moved_alias_is_no_change_of_a_version():
    routed = catalogue("1", "2")
    told = []
    routed.on_change(lambda before, after: told.append((before, after)))
    told.clear()
    routed.route("shop", "hello", "live", Route("1", "2", 0.5))
    routed.route("shop", "hello", "live", Route("2"))
    assert told == []


def test_a_namespace_is_known_while_anything_is_in_it():
    routed = catalogue("1")
    routed.route("shop", "hello", "live", Route("1"))
    routed.remove("shop", "hello", "1")
    assert routed.knows("shop")
    routed.route("shop", "hello", "live", None)
    assert not routed.knows("shop")


def deviation(calls, weight):
    """How far from the mean a binomial is but once in 1e9 times, by Bernstein's inequality."""
    log = math.log(2e9)
    return log / 3 + math.sqrt(log**2 / 9 + 2 * log * calls * weight * (1 - weight))


@given(weight=st.floats(0, 1), seed=st.integers())
@settings(max_examples=50, deadline=None)
def test_an_additional_version_gets_its_share_of_the_calls(weight, seed):
    calls = 2000
    routed = catalogue("1", "2", dice=random.Random(seed).random)
    routed.route("shop", "hello", "live", Route("1", "2", weight))
    additional = sum(executed(routed, "live") == "2" for _ in range(calls))
    assert abs(additional - calls * weight) <= deviation(calls, weight)


@pytest.mark.parametrize(("weight", "version"), [(0.0, "1"), (1.0, "2")])
@pytest.mark.parametrize("number", [0.0, 0.5, math.nextafter(1, 0)])
def test_a_weight_of_none_or_all_is_exact(weight, version, number):
    routed = catalogue("1", "2", dice=lambda: number)
    routed.route("shop", "hello", "live", Route("1", "2", weight))
    assert executed(routed, "live") == version


versions = st.sampled_from(VERSIONS)
aliases = st.sampled_from(ALIASES)
routes = st.one_of(
    st.builds(Route, versions),
    st.tuples(st.permutations(VERSIONS[1:]), st.floats(0, 1)).map(
        lambda made: Route(made[0][0], made[0][1], made[1])
    ),
)


class QualifiersUnderChange(RuleBasedStateMachine):
    """Against what the rule says in its plainest words."""

    def __init__(self):
        super().__init__()
        self.number = 0.0
        self.routed = Catalogue(dice=lambda: self.number)
        self.heard = {}
        self.routed.on_change(self.hear)
        self.versions = {}
        self.wanted = {}
        self.led = {}

    def hear(self, before, after):
        key = (after or before).version
        assert self.heard.get(key) is before
        self.heard[key] = after

    def look(self):
        for alias, wanted in self.wanted.items():
            if all(version in self.versions for version in wanted.versions):
                self.led[alias] = wanted

    @rule(version=versions, digest=st.sampled_from("ab"))
    def a_version_is_put(self, version, digest):
        self.versions[version] = target(version, digest=digest)
        self.routed.put(self.versions[version])
        self.look()

    @rule(version=versions)
    def a_version_is_removed(self, version):
        self.versions.pop(version, None)
        self.routed.remove("shop", "hello", version)

    @rule(alias=aliases, route=routes)
    def an_alias_is_moved(self, alias, route):
        self.wanted[alias] = route
        self.routed.route("shop", "hello", alias, route)
        self.look()

    @rule(alias=aliases)
    def an_alias_is_deleted(self, alias):
        self.wanted.pop(alias, None)
        self.led.pop(alias, None)
        self.routed.route("shop", "hello", alias, None)

    @rule(number=st.floats(0, 1, exclude_max=True))
    def the_dice_fall(self, number):
        self.number = number

    @invariant()
    def every_version_is_called_by_its_number(self):
        for version in VERSIONS:
            assert self.routed.resolve("shop", "hello", version) is self.versions.get(version)
        assert self.routed.resolve("shop", "hello") is self.versions.get("$LATEST")

    @invariant()
    def every_alias_leads_where_it_says_or_where_it_led(self):
        for alias in ALIASES:
            route = self.led.get(alias)
            if route is None or not all(version in self.versions for version in route.versions):
                assert executed(self.routed, alias) is None
            else:
                additional = route.additional is not None and self.number < route.weight
                assert executed(self.routed, alias) == (route.additional if additional else route.version)

    @invariant()
    def who_listens_knows_every_version(self):
        assert {key: each for key, each in self.heard.items() if each is not None} == self.versions
        assert dict(self.routed.versions("shop", "hello")) == self.versions

    @invariant()
    def nothing_is_kept_for_nothing(self):
        assert self.routed.knows("shop") == bool(self.versions or self.wanted)


TestQualifiersUnderChange = QualifiersUnderChange.TestCase
