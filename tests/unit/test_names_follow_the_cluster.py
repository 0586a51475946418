"""From Versions and Aliases of a cluster to what calls name."""

import itertools

import msgspec
import pytest

from mayfly_gateway.backends.kubernetes.objects import AliasObject, VersionObject
from mayfly_gateway.backends.kubernetes.versions import Names
from mayfly_gateway.catalogue import Catalogue
from mayfly_model import publishing
from mayfly_model.function import FunctionSpec


def configuration(**fields):
    return {
        "runtime": "python3.13",
        "handler": "app.handler",
        "code": {"inline": {"app.py": "x = 1"}},
        **fields,
    }


def revision_of(fields):
    """Of what was published it is the true one, for another would not be served."""
    try:
        return publishing.revision(FunctionSpec.model_validate(configuration(**fields), by_alias=True))
    except ValueError:
        return "r"


def version(name, *, revision=None, made="2026-01-01T00:00:00Z", uid=None, metadata=(), spec=(), **fields):
    function, _, suffix = name.partition(".")
    return msgspec.convert(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": uid or f"uid-{name}",
                "creationTimestamp": made,
                **dict(metadata),
            },
            "spec": {
                "functionName": function,
                "functionVersion": "$LATEST" if suffix == "latest" else suffix,
                "configuration": configuration(**fields),
                "revision": revision or revision_of(fields),
                **dict(spec),
            },
        },
        VersionObject,
    )


def alias(name, function_version, routing=None, *, status=(), metadata=()):
    spec = {"functionVersion": function_version} | ({"routing": routing} if routing else {})
    return msgspec.convert(
        {
            "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", **dict(metadata)},
            "spec": spec,
            "status": dict(status),
        },
        AliasObject,
    )


class Cluster:
    """Objects as watches tell of them."""

    def __init__(self):
        self.catalogue = Catalogue(dice=lambda: 0.5)
        self.names = Names(self.catalogue, cluster="local")
        self.seen = {}

    def put(self, *objects):
        for each in objects:
            self._follow(each)(self.seen.get(each.metadata.name), each)
            self.seen[each.metadata.name] = each

    def delete(self, name):
        gone = self.seen.pop(name)
        self._follow(gone)(gone, None)

    def _follow(self, each):
        return self.names.follow if isinstance(each, VersionObject) else self.names.follow_alias

    def digest(self, qualifier=None, name="hello"):
        found = self.catalogue.resolve("shop", name, qualifier)
        return None if found is None else found.digest

    def executed(self, qualifier=None, name="hello"):
        found = self.catalogue.resolve("shop", name, qualifier)
        return None if found is None else found.version


@pytest.fixture
def cluster():
    return Cluster()


def test_latest_and_published_versions_are_called_by_their_names(cluster):
    cluster.put(version("hello.latest", revision="b"), version("hello.7"))
    digests = cluster.digest(), cluster.digest("$LATEST"), cluster.digest("7")
    assert digests == ("b", "b", revision_of({}))
    target = cluster.catalogue.resolve("shop", "hello", "7")
    assert (target.version, target.source, target.arn) == (
        "7",
        "hello.7",
        "arn:aws:lambda:local:shop:function:hello",
    )


def test_a_version_without_its_snapshot_is_not_there_yet(cluster):
    cluster.put(version("hello.7", spec={"configuration": None, "revision": None, "functionVersion": None}))
    assert cluster.executed("7") is None
    cluster.put(version("hello.7"))
    assert cluster.executed("7") == "7"


def test_a_broken_version_leaves_the_last_good_one(cluster):
    cluster.put(version("hello.latest", revision="a"), version("hello.latest", revision="b", timeout=0))
    assert cluster.digest() == "a"


def test_a_published_version_that_was_changed_leaves_what_was_published(cluster):
    cluster.put(version("hello.latest"), version("hello.7"))
    published = cluster.catalogue.resolve("shop", "hello", "7")
    changed = configuration(environment={"variables": {"MODE": "changed"}})
    cluster.put(version("hello.7", spec={"configuration": changed}))
    assert cluster.catalogue.resolve("shop", "hello", "7") is published


def test_one_that_was_changed_before_it_was_first_seen_is_not_served(cluster):
    cluster.put(version("hello.latest"), version("hello.7", revision="a"))
    assert cluster.executed("7") is None


def test_a_deleted_version_is_gone_at_once(cluster):
    cluster.put(version("hello.latest"), version("hello.7"))
    cluster.delete("hello.7")
    assert (cluster.executed("7"), cluster.executed()) == (None, "$LATEST")


def test_an_object_that_waits_for_its_dependents_to_be_deleted_is_gone(cluster):
    deleted = {"deletionTimestamp": "2026-01-02T00:00:00Z"}
    cluster.put(version("hello.latest"), version("hello.7"), alias("hello.live", "7"))
    cluster.put(alias("hello.live", "7", metadata=deleted), version("hello.7", metadata=deleted))
    assert (cluster.executed("7"), cluster.executed("live")) == (None, None)
    cluster.delete("hello.7")
    cluster.put(version("hello.7", uid="another"))
    assert cluster.executed("7") == "7"


def test_versions_go_on_while_latest_is_away(cluster):
    cluster.put(version("hello.latest"), version("hello.7"), alias("hello.live", "7"))
    cluster.delete("hello.latest")
    assert (cluster.executed(), cluster.executed("7"), cluster.executed("live")) == (None, "7", "7")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_in_which_things_are_seen_makes_no_difference(cluster, order):
    objects = [
        version("hello.latest"),
        version("hello.1"),
        version("hello.2"),
        alias("hello.live", "1", {"additionalVersion": "2", "weight": 0.6}),
    ]
    cluster.put(*(objects[place] for place in order))
    assert cluster.executed("live") == "2"


def test_an_alias_leads_where_the_cluster_last_saw_it_lead(cluster):
    """This gateway has just started, and the version that was named meanwhile is not there."""
    cluster.put(version("hello.1"), alias("hello.live", "9", status={"functionVersion": "1"}))
    assert cluster.executed("live") == "1"


def test_a_status_that_comes_later_changes_nothing_that_is_served(cluster):
    cluster.put(version("hello.1"), version("hello.2"), alias("hello.live", "2"))
    cluster.put(alias("hello.live", "2", status={"functionVersion": "1"}))
    assert cluster.executed("live") == "2"


def test_a_deleted_alias_is_gone_at_once(cluster):
    cluster.put(version("hello.1"), alias("hello.live", "1"))
    cluster.delete("hello.live")
    assert cluster.executed("live") is None


def test_a_function_that_is_gone_leaves_nothing(cluster):
    cluster.put(version("hello.latest"), version("hello.1"), alias("hello.live", "1"))
    for name in ("hello.latest", "hello.live", "hello.1"):
        cluster.delete(name)
    assert not cluster.catalogue.knows("shop")
    assert cluster.catalogue.every() == ()


def test_all_versions_go_by_the_name_that_latest_says(cluster):
    cluster.put(version("hello.1"), version("hello.latest", functionName="Hello"), alias("hello.live", "1"))
    assert cluster.executed("1") is None
    assert (cluster.executed("1", "Hello"), cluster.executed("live", "Hello")) == ("1", "1")
    assert cluster.catalogue.resolve("shop", "Hello", "1").arn.endswith(":function:Hello")


def test_a_name_belongs_to_the_older_function_with_all_that_is_called_by_it(cluster):
    cluster.put(
        version("new.latest", functionName="Hello", made="2026-02-01T00:00:00Z"),
        version("new.1", functionName="Hello", made="2026-02-01T00:00:00Z"),
        alias("new.live", "1"),
    )
    assert cluster.executed("live", "Hello") == "1"
    cluster.put(version("old.latest", functionName="Hello", made="2026-01-01T00:00:00Z"))
    assert cluster.catalogue.resolve("shop", "Hello").source == "old.latest"
    assert (cluster.executed("1", "Hello"), cluster.executed("live", "Hello")) == (None, None)
    cluster.delete("old.latest")
    assert cluster.catalogue.resolve("shop", "Hello", "live").source == "new.1"


def test_instances_asked_for_are_no_news_of_a_function(cluster):
    cluster.put(version("hello.1"))
    served = cluster.catalogue.resolve("shop", "hello", "1")
    told = []
    cluster.catalogue.on_change(lambda before, after: told.append(after))
    cluster.put(version("hello.1", spec={"instances": 3}))
    assert cluster.catalogue.resolve("shop", "hello", "1") is served
    assert told == [served]


def test_a_version_says_how_many_instances_are_kept_initialised_for_it(cluster):
    for number in (3, None):
        cluster.put(version("hello.1", spec={"provisionedConcurrentExecutions": number}))
        assert cluster.catalogue.resolve("shop", "hello", "1").provisioned == number
