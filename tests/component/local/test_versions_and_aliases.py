"""The local mode serves versions and aliases from the same manifests as a cluster, to the AWS SDK."""

import pytest
from tests.component.local.served import CODE, RUNTIME, alias, function, version

from mayfly_model.errors import ResourceConflictException


def test_a_session_of_publishing_and_moving_an_alias(local):
    outcome = local.save(function("one", publish="OnChange"), alias("1"))
    assert [target.version for target in outcome.published] == ["1"]
    assert outcome.problems == ()
    assert (local.call(), local.call("1"), local.call("live")) == (
        ("one", "$LATEST"),
        ("one", "1"),
        ("one", "1"),
    )
    outcome = local.save(function("two", publish="OnChange"), alias("1"))
    assert [target.version for target in outcome.published] == ["2"]
    assert (local.call(), local.call("2"), local.call("live")) == (
        ("two", "$LATEST"),
        ("two", "2"),
        ("one", "1"),
    )
    local.save(function("two", publish="OnChange"), alias("2"))
    assert (local.call("live"), local.call("1")) == (("two", "2"), ("one", "1"))
    expected = "Function not found: arn:aws:lambda:local:default:function:hello:3"
    assert local.missing("3") == expected


def test_nothing_is_published_without_a_change(local):
    local.save(function("one", publish="OnChange"))
    for change in ({}, {"description": "said otherwise"}, {"reservedConcurrentExecutions": 3}):
        assert local.save(function("one", publish="OnChange", **change)).published == ()
    assert [
        target.version for target in local.save(function("one", publish="OnChange", timeout=9)).published
    ] == ["2"]


def test_a_version_is_published_under_the_number_that_its_manifest_says(local):
    outcome = local.save(function("one"), version(7, description="before the sale"))
    assert [target.version for target in outcome.published] == ["7"]
    local.save(function("two"), version(7), version(8))
    assert (local.call("7"), local.call("8")) == (("one", "7"), ("two", "8"))
    outcome = local.save(function("two"), version(7), version(8), version(5))
    (problem,) = outcome.problems
    assert problem.endswith(
        "hello.5: found version 5; allowed: a number above 8, the last that was published"
    )


def test_numbers_are_never_given_twice(local):
    local.save(function("one"), version(1))
    local.save(function("one"))
    assert "hello:1" in local.missing("1")
    assert len(local.save(function("one"), version(1)).problems) == 1
    assert [target.version for target in local.save(function("one", publish="OnChange")).published] == ["2"]


def test_a_version_that_an_alias_names_is_not_deleted(local):
    local.save(function("one"), version(1), alias("1"))
    outcome = local.save(function("one"), alias("1"))
    assert outcome.problems == (
        "hello.1: Unable to delete version because the following aliases reference it: [live]",
    )
    assert local.call("live") == ("one", "1")
    assert local.save(function("one")).problems == ()
    assert "hello:live" in local.missing("live")
    assert "hello:1" in local.missing("1")


def test_an_alias_of_a_missing_version_keeps_serving_the_old_one_and_says_so(local):
    local.save(function("one"), version(1), alias("1"))
    (problem,) = local.save(function("one"), version(1), alias("9")).problems
    assert problem.endswith("hello.9 does not exist: calls go to version 1 as before")
    assert local.call("live") == ("one", "1")
    with pytest.raises(ResourceConflictException):
        local.deployer.releases.withdraw(("default", "hello"), 1)
    (problem,) = local.save(function("one"), version(1), alias("9"), alias("9", "new")).problems[1:]
    assert problem.endswith("hello.9 does not exist: calls are refused")
    assert "hello:new" in local.missing("new")


def test_an_alias_shares_its_calls_between_two_versions(local):
    local.save(function("one"), version(1))
    local.save(
        function("two"),
        version(1),
        version(2),
        alias("1", routing={"additionalVersion": "2", "weight": 0.5}),
    )
    called = [local.call("live") for _ in range(60)]
    # Each of the two comes more seldom than that once in ten million runs.
    assert called.count(("one", "1")) > 10
    assert called.count(("two", "2")) > 10


def test_what_was_moved_by_other_means_stays_until_its_manifest_changes(local):
    local.save(function("one"), version(1), alias("1"))
    documents = (function("two"), version(1), version(2))
    local.save(*documents, alias("1"))
    moved = local.deployer.releases.aliases(("default", "hello"))["live"].model_copy(
        update={"function_version": "2"}
    )
    local.deployer.releases.route(("default", "hello"), "live", moved)
    assert local.save(*documents, alias("1")).problems == ()
    assert local.call("live") == ("two", "2")
    local.save(*documents, alias("$LATEST"))
    assert local.call("live") == ("two", "$LATEST")


def test_a_whole_version_is_what_it_says_itself(local):
    configuration = {
        "runtime": RUNTIME,
        "handler": "app.handler",
        "code": {"inline": {"app.py": CODE.format(word="restored")}},
    }
    outcome = local.save(function("one"), version(3, configuration=configuration), alias("3"))
    assert outcome.problems == ()
    assert (local.call("live"), local.call()) == (("restored", "3"), ("one", "$LATEST"))
    broken = {**configuration, "code": {"archive": f"sha256:{'0' * 64}"}}
    outcome = local.save(
        function("one"), version(3, configuration=configuration), version(4, configuration=broken)
    )
    assert len(outcome.problems) == 1
    assert "code.archive needs a cluster" in outcome.problems[0]


def test_a_function_that_is_gone_takes_its_versions_along(local):
    local.save(function("one"), version(1), alias("1"))
    local.save(function("one", name="other"))
    for qualifier in ("1", "live"):
        assert f"hello:{qualifier}" in local.missing(qualifier)
    local.save(function("anew", publish="OnChange"))
    assert local.call("1") == ("anew", "1")


def test_a_version_of_a_function_that_is_nowhere_is_told(local):
    problems = local.save(function("one", name="other"), version(1), alias("1")).problems
    assert [problem.partition(": ")[2] for problem in problems] == [
        "spec.functionName: Function hello does not exist"
    ] * 2


def test_a_broken_file_deletes_nothing(local):
    local.save(function("one"))
    local.save(version(1), alias("1"), file="more.yaml")
    assert local.call("live") == ("one", "1")
    outcome = local.save(version("1"), alias(1), file="more.yaml")
    assert len(outcome.problems) == 1
    assert local.call("live") == ("one", "1")
    local.save("", file="more.yaml")
    assert local.call("live") == ("one", "1")


def test_the_call_right_after_a_save_goes_where_the_alias_was_moved(local):
    local.save(function("one"), version(1))
    local.save(function("two"), version(1), version(2))
    file = local.folder / "manifests" / "alias.yaml"
    local.save(alias("1"), file="alias.yaml")
    for number in ("2", "1", "2"):
        file.write_text(alias(number))
        assert local.call("live")[1] == number
    file.write_text(alias("2") + "---\n" + alias("1", "canary"))
    assert local.call("canary") == ("one", "1")


def test_code_in_a_folder_is_held_fast_by_a_version(local):
    source = local.folder / "manifests" / "src" / "app.py"
    source.parent.mkdir(parents=True)
    manifest = function("", publish="OnChange").partition("  code:")[0] + "  code: {directory: ./src}\n"
    for word in ("one", "two"):
        source.write_text(CODE.format(word=word).replace("            return", "    return"))
        local.save(manifest)
    assert (local.call("1"), local.call("2")) == (("one", "1"), ("two", "2"))
    assert local.save(manifest).published == ()


def test_a_version_keeps_the_settings_that_it_was_published_with(local):
    local.save(function("one", memorySize=128, timeout=7), version(1))
    local.save(function("one", memorySize=256), version(1))
    settings = {
        qualifier: (target.memory_size, target.timeout)
        for qualifier in ("$LATEST", "1")
        if (target := local.gateway.catalogue.resolve("default", "hello", qualifier))
    }
    assert settings == {"$LATEST": (256, 3), "1": (128, 7)}
