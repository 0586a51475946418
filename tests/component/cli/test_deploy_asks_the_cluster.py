"""What `mayfly deploy` does with what kubectl answers, told by a stand-in that answers what a cluster seldom does."""

import json
import os
import threading

import pytest
from tests.component.agent_process import eventually

from mayfly_cli import declared, deploy
from mayfly_cli.kubectl import Kubectl

READY = {"type": "Ready", "status": "True", "reason": "Available", "observedGeneration": 1}
FUNCTION = {
    "apiVersion": "mayfly.dev/v1beta1",
    "kind": "Function",
    "metadata": {"name": "hello"},
    "spec": {"runtime": "python3.11", "handler": "app.handler", "code": {"inline": {"app.py": ""}}},
}
LOST = "echo 'Unable to connect to the server: EOF' >&2; exit 1"


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Put a program of these lines of shell in kubectl's place."""

    def stand_in(lines):
        program = tmp_path / "bin/kubectl"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return Kubectl()

    return stand_in


@pytest.fixture
def objects(tmp_path):
    """What a folder with one function declares."""
    (tmp_path / "function.yaml").write_text(json.dumps(FUNCTION))
    return declared.read([tmp_path / "function.yaml"], namespace="shop")


def watchdogs():
    return [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


def test_a_way_that_stands_may_be_used_for_as_long_as_it_takes(kubectl):
    before = watchdogs()
    program = kubectl("echo 'Forwarding from 127.0.0.1:4711 -> 8080'; exec sleep 600")
    with program.forwarded("mayfly-system", "mayfly-gateway", "http") as url:
        assert url == "http://127.0.0.1:4711"
        eventually(lambda: watchdogs() == before)


def test_a_cluster_that_does_not_answer_once_is_asked_again(kubectl, objects, tmp_path, capsys):
    (tmp_path / "answer").write_text(
        json.dumps(
            FUNCTION | {"metadata": {"name": "hello", "generation": 1}, "status": {"conditions": [READY]}}
        )
    )
    program = kubectl(
        f"[ -e {tmp_path}/asked ] && exec cat {tmp_path}/answer\ntouch {tmp_path}/asked\n{LOST}"
    )
    assert deploy.wait(program, objects, 60) == 0
    assert "function hello is ready" in capsys.readouterr().out


def test_a_cluster_that_does_not_answer_any_more_leaves_open_what_became_of_a_function(
    kubectl, objects, capsys
):
    assert deploy.wait(kubectl(LOST), objects, 0) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told == "error: function hello is not ready: Unknown: Unable to connect to the server: EOF"


CONFLICT = """error: Apply failed with 1 conflict: conflict with "helm" using mayfly.dev/v1beta1: .spec.timeout
Please review the fields above--they currently have other managers."""


def test_a_conflict_names_file_object_field_and_who_set_it(kubectl, tmp_path):
    (tmp_path / "function.yaml").write_text(json.dumps(FUNCTION))
    other = FUNCTION | {"metadata": {"name": "other"}}
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    two = declared.read([tmp_path / "function.yaml", tmp_path / "other.yaml"], namespace="shop")
    program = kubectl(f"if [ $1 = apply ] && grep -q other; then echo '{CONFLICT}' >&2; exit 1; fi")
    with pytest.raises(declared.BrokenFilesError) as found:
        deploy.apply(program, "shop", two, force=False)
    first, advice = found.value.problems
    assert first == f"{tmp_path}/other.yaml:1: Function other: spec.timeout was set by helm"
    assert advice.startswith("--force-conflicts gives these fields")


def test_a_namespace_that_is_not_there_is_told_before_anything_is_uploaded(kubectl, objects):
    with pytest.raises(
        declared.BrokenFilesError, match="There is no namespace shop: kubectl create namespace shop"
    ):
        deploy.check_namespaces(kubectl("exit 0"), objects)


@pytest.mark.parametrize("answer", ["echo namespace/shop", "echo Forbidden >&2; exit 1"])
def test_a_namespace_that_is_there_or_not_for_everybody_to_see_is_taken(kubectl, objects, answer):
    deploy.check_namespaces(kubectl(answer), objects)


def with_secret(tmp_path):
    spec = FUNCTION["spec"] | {"environment": {"secretRefs": ["keys", "words"]}}
    (tmp_path / "function.yaml").write_text(json.dumps(FUNCTION | {"spec": spec}))
    found = FUNCTION | {
        "metadata": {"name": "hello", "generation": 1},
        "spec": spec,
        "status": {"conditions": [READY]},
    }
    (tmp_path / "answer").write_text(json.dumps(found))
    return declared.read([tmp_path / "function.yaml"], namespace="shop")


def test_a_secret_that_is_not_there_is_told_though_the_platform_may_not_see_it(kubectl, tmp_path, capsys):
    objects = with_secret(tmp_path)
    program = kubectl(f'case "$*" in *secret/*) echo secret/words;; *) exec cat {tmp_path}/answer;; esac')
    assert deploy.wait(program, objects, 0) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told == 'error: function hello is not ready: EnvironmentNotFound: secret "keys" not found'


def test_secrets_that_may_not_be_seen_are_not_missing(kubectl, tmp_path):
    objects = with_secret(tmp_path)
    refusal = "echo 'Error from server (Forbidden): secrets is forbidden' >&2; exit 1"
    program = kubectl(f'case "$*" in *secret/*) {refusal};; *) exec cat {tmp_path}/answer;; esac')
    assert deploy.wait(program, objects, 0) == 0


ALIAS = {
    "apiVersion": "mayfly.dev/v1beta1",
    "kind": "Alias",
    "metadata": {"name": "hello.live", "generation": 1},
    "spec": {"functionName": "hello", "functionVersion": "1", "provisionedConcurrentExecutions": 2},
}


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"requested": 2, "available": 2, "status": "READY"}, 0),
        ({"requested": 2, "available": 1, "status": "IN_PROGRESS"}, 1),
        ({"requested": 1, "available": 1, "status": "READY"}, 1),
        (None, 1),
    ],
)
def test_an_alias_is_ready_once_its_provisioned_instances_are(kubectl, tmp_path, told, status):
    (tmp_path / "alias.yaml").write_text(json.dumps(ALIAS | {"metadata": {"name": "hello.live"}}))
    objects = declared.read([tmp_path / "alias.yaml"], namespace="shop")
    found = {"conditions": [READY]} | ({} if told is None else {"provisionedConcurrency": told})
    (tmp_path / "answer").write_text(json.dumps(ALIAS | {"status": found}))
    assert deploy.wait(kubectl(f"exec cat {tmp_path}/answer"), objects, 0) == status
