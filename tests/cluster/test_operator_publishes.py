"""Publishing and aliases by kubectl alone, on a real cluster whose operator dies now and then."""

import contextlib
import os
import signal

import pytest
from tests.cluster.operator_processes import function, namespace, nobody_else, operators, run, until

pytestmark = [
    pytest.mark.disturbs,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster: set KUBECONFIG"),
    pytest.mark.timeout(300),
]
FUNCTIONS, VERSIONS, ALIASES = "functions.mayfly.dev", "versions.mayfly.dev", "aliases.mayfly.dev"
REFERENCED = "denied request: Unable to delete version because the following aliases reference it: [live]"


class Replaceable:
    """An operator that can be killed, and another one started in its place."""

    def __init__(self, made):
        self.made = made
        self.one = None
        self.start()

    def start(self):
        self.one = self.made.start()
        self.made.until_leading(self.one, within=60)

    def kill(self):
        self.one.send(signal.SIGKILL)
        self.one.process.wait()

    @contextlib.contextmanager
    def away(self):
        self.kill()
        try:
            yield
        finally:
            self.start()


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    with nobody_else(), operators(tmp_path_factory.mktemp("operator")) as made:
        yield Replaceable(made)


@pytest.fixture
def shop():
    with namespace("operator-publishes") as made:
        yield made


def version(name, number, **spec):
    """A Version as a person applies it."""
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Version",
        "metadata": {"name": f"{name}.{number}"},
        "spec": {"functionName": name, **spec},
    }


def alias(name, version, **spec):
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Alias",
        "metadata": {"name": f"{name}.live"},
        "spec": {"functionName": name, "functionVersion": version, **spec},
    }


def numbers(shop, name):
    """Numbers of the published versions."""
    found = (each for each in shop.all(VERSIONS) if each["spec"]["functionName"] == name)
    published = (each for each in found if each["spec"].get("configuration"))
    qualifiers = (each["metadata"]["name"].rpartition(".")[2] for each in published)
    return sorted(int(each) for each in qualifiers if each.isdigit())


def last(shop, name):
    return shop.get(FUNCTIONS, name).get("status", {}).get("lastPublishedVersion")


def until_published(shop, name, *expected, counter=None):
    until(lambda: numbers(shop, name) == list(expected), f"versions {expected}")
    until(lambda: last(shop, name) == (counter or expected[-1]), "the counter")


def referring(shop, version):
    """Aliases that the version's status names."""
    return shop.get(VERSIONS, version).get("status", {}).get("aliases")


def until_referred(shop, version):
    until(lambda: referring(shop, version) == ["live"], f"{version} is referred to")


def until_serving(shop, name):
    until(lambda: shop.ready(ALIASES, f"{name}.live") == ("True", "Available"), f"{name}.live serves")


def refused(shop, *words, stdin=None):
    """What the API server says to a command that it must not do."""
    done = run(f"--namespace={shop.name}", *words, stdin=stdin)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_a_session_by_kubectl_alone(operator, shop):
    shop.apply(function("hello", publish="OnChange", timeout=5))
    until_published(shop, "hello", 1)
    shop.apply(function("hello", publish="OnChange", timeout=5, description="no change"))
    shop.until_ready("hello")
    assert numbers(shop, "hello") == [1]
    shop.apply(function("hello", publish="OnChange", timeout=6))
    until_published(shop, "hello", 1, 2)
    operator.kill()
    operator.start()
    shop.until_ready("hello")
    assert numbers(shop, "hello") == [1, 2]

    shop.apply(function("hello", timeout=7), version("hello", 5, description="before the sale"))
    until_published(shop, "hello", 1, 2, 5)
    by_hand = shop.get(VERSIONS, "hello.5")
    assert by_hand["spec"]["configuration"]["timeout"] == 7
    assert by_hand["spec"]["description"] == "before the sale"
    assert by_hand["metadata"]["ownerReferences"][0]["name"] == "hello"
    assert [shop.get(VERSIONS, f"hello.{each}")["spec"]["configuration"]["timeout"] for each in (1, 2)] == [
        5,
        6,
    ]

    shop.apply(alias("hello", "2", routing={"additionalVersion": "5", "weight": 0.1}))
    until_serving(shop, "hello")
    for number in (2, 5):
        until_referred(shop, f"hello.{number}")
        assert REFERENCED in refused(shop, "delete", VERSIONS, f"hello.{number}")
    with operator.away():
        assert REFERENCED in refused(shop, "delete", VERSIONS, "hello.5")
    shop.apply(alias("hello", "2"))
    until(lambda: not referring(shop, "hello.5"), "no reference")
    shop.kubectl("delete", VERSIONS, "hello.5")

    shop.apply(version("hello", 5))
    until(lambda: shop.ready(VERSIONS, "hello.5") == ("False", "VersionNumberUsed"), "the refusal")
    shop.apply(version("hello", 6))
    until_published(shop, "hello", 1, 2, 6)
    shop.kubectl("delete", VERSIONS, "hello.5", "hello.6")
    operator.kill()
    operator.start()
    shop.apply(function("hello", publish="OnChange", timeout=8))
    until_published(shop, "hello", 1, 2, 7)
    told = [each["message"] for each in shop.events("hello") if each["reason"] == "VersionPublished"]
    assert sorted(told) == [f"Published version {number}." for number in (1, 2, 5, 6, 7)]


def test_an_alias_of_a_missing_version_says_so_and_serves_the_old(operator, shop):
    shop.apply(function("hello", publish="OnChange"), alias("hello", "1"))
    until_serving(shop, "hello")
    owner = until(lambda: shop.get(ALIASES, "hello.live")["metadata"].get("ownerReferences"), "an owner")
    assert owner[0]["uid"] == shop.get(FUNCTIONS, "hello")["metadata"]["uid"]
    shop.apply(alias("hello", "9"))
    until(lambda: shop.ready(ALIASES, "hello.live") == ("False", "VersionNotFound"), "the refusal")
    status = shop.get(ALIASES, "hello.live")["status"]
    assert status["functionVersion"] == "1"
    assert status["conditions"][0]["message"] == ("hello.9 does not exist: calls go to version 1 as before.")
    assert REFERENCED in refused(shop, "delete", VERSIONS, "hello.1")
    shop.apply(version("hello", 9))
    until_serving(shop, "hello")
    told = {(each["type"], each["message"]) for each in shop.events("hello.live")}
    assert ("Warning", status["conditions"][0]["message"]) in told
    until(lambda: _said(shop, "Calls go to version 9, and went to version 1 before."), "an event of the move")


def _said(shop, message):
    return [each for each in shop.events("hello.live") if each["message"] == message]


def test_a_version_and_an_alias_that_come_before_their_function_wait_for_it(operator, shop):
    shop.apply(version("early", 3), alias("early", "3"))
    until(lambda: shop.ready(VERSIONS, "early.3") == ("False", "FunctionNotFound"), "the version waits")
    until(lambda: shop.ready(ALIASES, "early.live") == ("False", "FunctionNotFound"), "the alias waits")
    shop.apply(function("early"))
    until_published(shop, "early", 3)
    until_serving(shop, "early")
    until(lambda: shop.ready(VERSIONS, "early.3") == ("True", "Available"), "the version")


def test_whatever_is_published_while_operators_die_numbers_are_whole_and_contents_new(operator, shop):
    shop.apply(function("often", publish="OnChange", timeout=1))
    until_published(shop, "often", 1)
    for round_ in range(2, 14):
        shop.apply(function("often", publish="OnChange", timeout=round_))
        if round_ % 3 == 0:
            operator.kill()
            operator.start()
    until(lambda: _timeouts(shop)[-1:] == [13], "the last change is published")
    timeouts = _timeouts(shop)
    assert numbers(shop, "often") == list(range(1, len(timeouts) + 1))
    assert timeouts == sorted(set(timeouts))
    until(lambda: last(shop, "often") == len(timeouts), "the counter")
    operator.kill()
    operator.start()
    shop.until_ready("often")
    assert len(numbers(shop, "often")) == len(timeouts)


def _timeouts(shop):
    made = (shop.get(VERSIONS, f"often.{number}") for number in numbers(shop, "often"))
    return [each["spec"]["configuration"]["timeout"] for each in made]


def test_the_counter_never_goes_down_and_is_found_again_from_the_versions(operator, shop):
    shop.apply(function("counted"), version("counted", 4))
    until_published(shop, "counted", 4)
    lower = '{"status": {"lastPublishedVersion": 3}}'
    patch = ("patch", FUNCTIONS, "counted", "--subresource=status", "--type=merge", f"--patch={lower}")
    assert "never goes down: no number is given twice" in refused(shop, *patch)
    stored = shop.get(FUNCTIONS, "counted")
    shop.kubectl("delete", FUNCTIONS, "counted", "--cascade=orphan")
    until(lambda: not shop.get(VERSIONS, "counted.4")["metadata"].get("ownerReferences"), "an orphan")
    shop.apply(function("counted"))
    until(lambda: last(shop, "counted") == 4, "the counter")
    owner = until(lambda: shop.get(VERSIONS, "counted.4")["metadata"].get("ownerReferences"), "an owner")
    assert owner[0]["uid"] not in ("", stored["metadata"]["uid"])


def test_what_was_published_is_held_fast_and_the_rest_is_not(operator, shop):
    shop.apply(function("fast", environment={"variables": {"MODE": "one"}}), version("fast", 1))
    until_published(shop, "fast", 1)
    until(lambda: shop.ready(VERSIONS, "fast.1") == ("True", "Available"), "the version")
    for change in (
        '{"spec": {"configuration": {"environment": {"variables": {"MODE": "two"}}}}}',
        '{"spec": {"configuration": {"code": {"inline": {"app.py": "other"}}}}}',
        '{"spec": {"configuration": {"keepAlive": 1}}}',
        '{"spec": {"configuration": {"timeout": 9}}}',
        '{"spec": {"configuration": null}}',
        '{"spec": {"description": "other"}}',
        '{"spec": {"revision": "' + "0a" * 32 + '"}}',
    ):
        said = refused(shop, "patch", VERSIONS, "fast.1", "--type=merge", f"--patch={change}")
        assert "a published version never changes: publish a new one" in said, change
    shop.kubectl("annotate", VERSIONS, "fast.1", "who=me")
    shop.kubectl("label", VERSIONS, "fast.1", "who=me")
    shop.scale("fast.1", 1)
    shop.until_running("fast", 1)
    until(lambda: shop.get(VERSIONS, "fast.1")["status"].get("instances") == 1, "its status")
    shop.scale("fast.1", 0)


def test_columns_tell_what_is_served(operator, shop):
    shop.apply(function("shown"), version("shown", 1, description="first"), alias("shown", "1"))
    until_serving(shop, "shown")
    until(lambda: referring(shop, "shown.1"), "references")
    head, row = shop.kubectl("get", VERSIONS, "shown.1").splitlines()
    assert head.split()[1:4] + head.split()[-2:] == ["FUNCTION", "VERSION", "READY", "ALIASES", "AGE"]
    assert '["live"]' in row.split()
    head, row = shop.kubectl("get", ALIASES, "shown.live").splitlines()
    assert head.split()[:4] == ["NAME", "FUNCTION", "VERSION", "ADDITIONAL"]
    assert row.split()[:3] == ["shown.live", "shown", "1"]


def test_a_namespace_and_a_function_end_though_aliases_refer_and_no_operator_is_there(operator):
    with namespace("operator-unattended") as doomed:
        for name in ("one", "two"):
            doomed.apply(function(name), version(name, 1), alias(name, "1"))
            until_referred(doomed, f"{name}.1")
        until(lambda: all(each["metadata"].get("ownerReferences") for each in doomed.all(ALIASES)), "owners")
        with operator.away():
            doomed.kubectl("delete", FUNCTIONS, "one", "--wait=false")
            until(lambda: doomed.get(VERSIONS, "one.1") is None, "no version")
            until(lambda: doomed.get(ALIASES, "one.live") is None, "no alias")
            run("delete", "namespace", doomed.name, "--wait=false")
            until(lambda: run("get", "namespace", doomed.name).returncode != 0, "its end", within=60)
