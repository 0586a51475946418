"""On a cluster where Mayfly was just installed: `kubectl apply -f examples/`, and every example answers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.accounts import until
from tests.cluster.mayfly_deploy import deploy
from tests.example_answers import EXAMPLES, IS_RIGHT, event, events, function_of, manifests

AWS = Path(sys.executable).with_name("aws")
APPLIED = sorted(name for name, path in manifests().items() if path.parent == EXAMPLES)


@pytest.fixture(scope="module")
def prepared():
    """The dependencies of the examples, put where `make demo` puts them."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "prepare.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def by_boto3(account, name):
    return account.invoke(function_of(name), event(name))


def by_aws_command(account, name, folder):
    """What `aws lambda invoke` writes into its file."""
    out = folder / f"{name}.out"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": account.name,
        "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_LAMBDA": account.gateway,
    }
    payload = EXAMPLES / "events" / f"{name}.json"
    words = ["lambda", "invoke", "--function-name", function_of(name), "--payload", f"file://{payload}"]
    done = subprocess.run(
        [AWS, *words, out], capture_output=True, text=True, timeout=90, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["StatusCode"], told["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in told, out.read_text()
    return json.loads(out.read_text())


def rows(account):
    """What `kubectl get functions` shows: words of each line, by the name that it begins with."""
    lines = account.kubectl("get", "functions", "--no-headers").splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_applied_by_kubectl_every_example_answers_from_pods_that_come_and_go(account, tmp_path):
    account.kubectl("apply", f"--filename={EXAMPLES}/")
    account.kubectl("wait", "--for=condition=Ready", "functions", "--all", "--timeout=60s")
    assert sorted(rows(account)) == APPLIED
    assert {tuple(row[2:4]) for row in rows(account).values()} == {("True", "Available")}
    assert account.kubectl("get", "pods", "--no-headers") == ""
    for name in APPLIED:
        account.known(name)
    for name in (each for each in events() if function_of(each) in APPLIED):
        IS_RIGHT[name](by_boto3(account, name))
        IS_RIGHT[name](by_aws_command(account, name, tmp_path))
    for name in APPLIED:
        account.only_pod(name)
    # Nobody waits for five minutes: from now on an idle instance is kept for two seconds.
    account.kubectl("patch", "functions", *APPLIED, "--type=merge", '--patch={"spec": {"keepAlive": 2}}')
    # But for those that wait in a pool, for whatever comes.
    of_functions = ("get", "pods", "--selector=mayfly.dev/function", "--no-headers")
    until(lambda: account.kubectl(*of_functions) == "", "all pods are gone")
    assert {tuple(row[2:4]) for row in rows(account).values()} == {("True", "Available")}


def test_deployed_by_mayfly_every_example_answers_and_what_kubectl_applied_stays(account, prepared, tmp_path):
    account.kubectl("apply", f"--filename={EXAMPLES}/")
    said = deploy(EXAMPLES, "--namespace", account.name)
    assert "code of thumbnail uploaded, " in said
    for name in manifests():
        assert f"function {name} {'unchanged' if name in APPLIED else 'created'}" in said
        assert f"function {name} is ready" in said
        account.known(name)
    for name in events():
        IS_RIGHT[name](by_boto3(account, name))
        IS_RIGHT[name](by_aws_command(account, name, tmp_path))
    again = deploy(EXAMPLES, "--namespace", account.name)
    assert "code of thumbnail is there already, " in again
    assert [name for name in manifests() if f"function {name} unchanged" not in again] == []
