"""What `mayfly deploy` applies: functions and what belongs to them, as their files say it."""

import pytest

from mayfly_cli.declared import BrokenFilesError, read
from mayfly_cli.deploy import grouped, outcome
from mayfly_cli.kubectl import conflicts, explained
from mayfly_cli.readiness import readiness

FUNCTION = """
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata: {name: hello, labels: {team: shop}}
spec:
  runtime: python3.99
  handler: app.handler
  code: {directory: src}
  environment: {secretRefs: [keys]}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {KEY: a}\n"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other, namespace: elsewhere}\n"
ALIAS = """
apiVersion: mayfly.dev/v1beta1
kind: Alias
metadata: {name: hello.live}
spec: {functionName: hello, functionVersion: "1"}
"""
VERSION = (
    ALIAS.replace("Alias", "Version").replace("hello.live", "hello.1").replace('functionVersion: "1"', "")
)
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: others}\ndata: {A: b}\n"


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def kinds(objects):
    return [(each.kind, each.name, each.namespace) for each in objects]


def test_a_function_is_applied_as_its_file_says_it_with_its_archive_for_code(tmp_path):
    (function,) = read([write(tmp_path, f=FUNCTION + "status: {instances: 3}\n")], namespace="shop")
    applied = function.with_archive("ab" * 32).data
    assert applied == {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Function",
        "metadata": {"name": "hello", "labels": {"team": "shop"}},
        "spec": {
            "runtime": "python3.99",
            "handler": "app.handler",
            "code": {"archive": f"sha256:{'ab' * 32}"},
            "environment": {"secretRefs": ["keys"]},
        },
    }


def test_everything_beside_a_function_in_its_file_goes_with_it(tmp_path):
    write(tmp_path, f="---\n".join([FUNCTION, SECRET, DEPLOYMENT, CONFIG_MAP]))
    assert kinds(read([tmp_path], namespace="shop")) == [
        ("Function", "hello", "shop"),
        ("Secret", "keys", "shop"),
        ("Deployment", "other", "elsewhere"),
        ("ConfigMap", "others", "shop"),
    ]


def test_of_other_files_only_what_a_function_refers_to_goes_with_it(tmp_path):
    write(tmp_path, f=FUNCTION, others="---\n".join([CONFIG_MAP, SECRET]), app=DEPLOYMENT)
    assert kinds(read([tmp_path], namespace="shop")) == [
        ("Function", "hello", "shop"),
        ("Secret", "keys", "shop"),
    ]


def test_versions_and_aliases_go_from_wherever_they_are_and_are_waited_for(tmp_path):
    objects = read([write(tmp_path, alias=ALIAS, f=FUNCTION, version=VERSION, keys=SECRET)], namespace="shop")
    assert [each.key for each in objects if each.gets_ready] == [
        ("Alias", "hello.live"),
        ("Function", "hello"),
        ("Version", "hello.1"),
    ]


def test_a_file_that_is_named_goes_whole(tmp_path):
    write(tmp_path, others="---\n".join([CONFIG_MAP, SECRET]))
    assert len(read([tmp_path / "others.yaml"], namespace="shop")) == 2


def test_one_broken_file_keeps_all_from_being_deployed(tmp_path):
    write(tmp_path, f=FUNCTION, g=FUNCTION.replace("handler:", "handle:").replace("hello", "bye"))
    with pytest.raises(BrokenFilesError) as broken:
        read([tmp_path], namespace="shop")
    assert any(f"{tmp_path}/g.yaml:7: spec.handle" in problem for problem in broken.value.problems)


def test_a_folder_without_functions_is_an_error(tmp_path):
    with pytest.raises(BrokenFilesError, match="No function to deploy"):
        read([write(tmp_path, others=CONFIG_MAP)], namespace="shop")


def test_objects_are_applied_namespace_by_namespace(tmp_path):
    objects = read([write(tmp_path, f="---\n".join([FUNCTION, DEPLOYMENT, SECRET]))], namespace="shop")
    assert {place: len(group) for place, group in grouped(objects).items()} == {"shop": 2, "elsewhere": 1}


def found(**spec):
    return {
        "metadata": {"name": "hello", "resourceVersion": str(spec), "generation": 1},
        "spec": spec,
        "status": spec,
    }


def noted(**annotations):
    """An object that kubectl has applied."""
    kubectl = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    return found() | {"metadata": found()["metadata"] | {"annotations": kubectl | annotations}}


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ({}, {("Function", "hello"): found()}, "created"),
        ({("Function", "hello"): found(a=1)}, {("Function", "hello"): found(a=2)}, "configured"),
        (
            {("Function", "hello"): found()},
            {("Function", "hello"): found() | {"status": {"instances": 1}}},
            "unchanged",
        ),
        ({("Function", "hello"): noted()}, {("Function", "hello"): found()}, "unchanged"),
        ({("Function", "hello"): noted(owner="a")}, {("Function", "hello"): found()}, "configured"),
        (None, None, "applied"),
    ],
)
def test_what_became_of_an_object(before, after, word):
    assert outcome(("Function", "hello"), before, after) == word


def function(generation, *, observed, status="True", reason="Available"):
    ready = {"type": "Ready", "status": status, "reason": reason, "observedGeneration": observed}
    return {"metadata": {"generation": generation}, "status": {"conditions": [ready]}}


@pytest.mark.parametrize(
    ("found", "ready", "final", "reason"),
    [
        (function(2, observed=2), True, False, "Available"),
        (function(2, observed=1), False, False, "NotReconciled"),
        ({"metadata": {"generation": 1}}, False, False, "NotReconciled"),
        (function(1, observed=1, status="False", reason="InvalidSpec"), False, True, "InvalidSpec"),
        (function(1, observed=1, status="False", reason="ConfigMapNotFound"), False, False, "ConfigMapNotFound"),
        (None, False, False, "NotFound"),
    ],
)  # fmt: skip
def test_a_function_is_ready_by_what_was_found_for_its_present_generation(found, ready, final, reason):
    seen = readiness(found)
    assert (seen.ready, seen.final, seen.reason) == (ready, final, reason)


def test_a_cluster_without_mayfly_is_named():
    said = 'error: no matches for kind "Function" in version "mayfly.dev/v1beta1"'
    assert "has no Mayfly" in explained(said)
    assert explained("error: You must be logged in") == "You must be logged in"


ADVICE = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
"""


def test_a_conflict_is_told_in_few_words():
    said = (
        'error: Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using mayfly.dev/v1beta1'
        " at 2026-01-02T03:04:05Z: .spec.memorySize"
    )
    assert conflicts(said + ADVICE) == "spec.memorySize was set by kubectl apply"


def test_conflicts_are_told_with_whoever_set_each():
    said = (
        'error: Apply failed with 3 conflicts: conflicts with "mayfly-gateway" using mayfly.dev/v1beta1:\n'
        '- .spec.reservedConcurrentExecutions\nconflicts with "helm" using mayfly.dev/v1beta1:\n'
        "- .spec.timeout\n- .spec.code"
    )
    assert conflicts(said + ADVICE) == (
        "spec.reservedConcurrentExecutions was set by the Lambda API, spec.timeout was set by helm,"
        " spec.code was set by helm"
    )


def test_other_failures_are_no_conflicts():
    assert conflicts('Error from server (NotFound): namespaces "shop" not found') is None
