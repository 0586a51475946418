"""`mayfly deploy` on a cluster: what is in a folder answers, and what is wrong is told with its reason."""

import json

import pytest
from tests.cluster.accounts import function, until
from tests.cluster.mayfly_deploy import deploy


@pytest.fixture
def project(tmp_path):
    """A folder with one function, whose code lies beside its manifest."""
    (tmp_path / "src").mkdir()
    return tmp_path


def write(project, text="def handler(event, context):\n    return 1\n", **spec):
    manifest = function("hello")
    manifest["spec"] |= {"code": {"directory": "src"}, **spec}
    (project / "function.yaml").write_text(json.dumps(manifest))
    (project / "src/app.py").write_text(text)


def test_changed_code_answers_and_equal_code_is_not_sent_again(account, project):
    words = (project, "--namespace", account.name, "--gateway", account.gateway)
    write(project)
    assert "code of hello uploaded" in deploy(*words)
    account.known("hello")
    assert account.invoke("hello") == 1
    write(project, "def handler(event, context):\n    return 2\n")
    assert "code of hello uploaded" in deploy(*words)
    until(lambda: account.invoke("hello") == 2, "the new code answers")
    again = deploy(*words)
    assert "code of hello is there already" in again
    assert "function hello unchanged" in again


def test_a_function_that_kubectl_applied_is_taken_over_if_one_says_so(account, project):
    account.deploy(function("hello", "def handler(event, context):\n    return 'inline'\n"))
    assert account.invoke("hello") == "inline"
    write(project, "def handler(event, context):\n    return 'folder'\n")
    words = (project, "--namespace", account.name, "--gateway", account.gateway)
    refused = deploy(*words, status=2)
    assert "--force-conflicts gives these fields the manifest's values" in refused
    assert "Function hello: spec.code" in refused
    deploy(*words, "--force-conflicts")
    until(lambda: account.invoke("hello") == "folder", "the folder's code answers")
    assert set(account.get("function", "hello")["spec"]["code"]) == {"archive"}


def test_a_function_that_is_not_ready_is_told_with_reason_and_message(account, project):
    write(project, runtime="python3.99")
    told = deploy(project, "--namespace", account.name, "--gateway", account.gateway, status=1)
    ready = account.ready("function", "hello")
    assert ready["reason"] == "RuntimeNotFound"
    assert (
        " ".join(told.split()) == f"error: function hello is not ready: {ready['reason']}: {ready['message']}"
    )


def test_who_does_not_wait_is_not_told(account, project):
    write(project, runtime="python3.99")
    said = deploy(project, "--namespace", account.name, "--gateway", account.gateway, "--no-wait")
    assert "function hello created" in said
    assert "ready" not in said


def test_what_may_still_come_is_waited_for_until_the_time_is_over(account, project):
    write(project, code={"configMap": {"name": "nowhere"}})
    told = deploy(project, "--namespace", account.name, "--timeout", "2", status=1)
    assert "error: function hello is not ready: ConfigMapNotFound: " in told


def test_a_version_and_its_alias_are_waited_for(account, project):
    write(project)
    words = (project, "--namespace", account.name, "--gateway", account.gateway)
    (project / "version.yaml").write_text(json.dumps(belonging("Version", "hello.1")))
    (project / "alias.yaml").write_text(json.dumps(belonging("Alias", "hello.live", functionVersion="1")))
    said = deploy(*words)
    assert "version hello.1 is ready" in said
    assert "alias hello.live is ready" in said
    until(lambda: answers(account, "hello:live"), "the alias answers")
    (project / "alias.yaml").write_text(json.dumps(belonging("Alias", "hello.live", functionVersion="9")))
    told = deploy(*words, "--timeout", "5", status=1)
    assert "error: alias hello.live is not ready: VersionNotFound: " in told


def belonging(kind, name, **spec):
    """An object that belongs to the function."""
    metadata = {"name": name}
    spec |= {"functionName": "hello"}
    return {"apiVersion": "mayfly.dev/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}


def answers(account, name):
    try:
        return account.invoke(name) == 1
    except account.aws.exceptions.ResourceNotFoundException:
        return False


def test_nothing_is_sent_of_a_folder_with_a_mistake(account, project):
    write(project)
    (project / "wrong.yaml").write_text(json.dumps(function("other", memorySize=1)))
    told = deploy(project, "--namespace", account.name, status=2)
    assert "wrong.yaml:1: spec.memorySize: " in told
    assert account.kubectl("get", "functions", "--no-headers") == ""


def test_a_namespace_that_is_not_there_is_named(gateway, project):
    write(project)
    told = deploy(project, "--namespace", "mayfly-nowhere", "--gateway", gateway, status=2)
    assert "There is no namespace mayfly-nowhere: kubectl create namespace mayfly-nowhere" in told
