"""Whatever becomes of an instance, its caller gets the answer that AWS would give, and the next call works."""

import concurrent.futures
import json
import time

import pytest
from tests.cluster.accounts import function, until

BY_EVENT = """
import os, signal, time
def handler(event, context):
    if event == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if event == "fill":
        return len(bytearray(os.urandom(1 << 20)) * 1000)
    if isinstance(event, (int, float)):
        time.sleep(event)
    return event
"""


def later(account, name, event):
    """An invocation under way, and the pod that runs it."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    answer = pool.submit(account.aws.invoke, FunctionName=name, Payload=json.dumps(event))
    running = until(
        lambda: [pod for pod in account.pods(name) if pod["status"].get("phase") == "Running"], "a pod"
    )
    return answer, running[0]["metadata"]["name"]


def error(answer):
    assert answer["FunctionError"] == "Unhandled"
    return json.loads(answer["Payload"].read())


def test_a_runtime_that_is_killed(account):
    account.deploy(function("f", BY_EVENT))
    assert account.invoke("f", "well") == "well"
    failure = account.failure("f", "die")
    assert failure["errorType"] == "Runtime.ExitError"
    assert failure["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert account.invoke("f", "well") == "well"
    account.only_pod("f")


def test_more_memory_than_there_is(account):
    account.deploy(function("f", BY_EVENT, timeout=30))
    failure = account.failure("f", "fill")
    assert failure["errorType"] in ("Runtime.OutOfMemory", "Runtime.ExitError")
    assert failure["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert account.invoke("f", "well") == "well"


def test_a_function_that_hangs(account):
    account.deploy(function("f", BY_EVENT, timeout=1))
    assert account.invoke("f", "well") == "well"
    assert account.failure("f", 30)["errorType"] == "Sandbox.Timedout"
    assert account.invoke("f", "well") == "well"


def test_a_pod_that_is_deleted_by_hand(account):
    account.deploy(function("f", BY_EVENT, timeout=60))
    assert account.invoke("f", "well") == "well"
    answer, pod = later(account, "f", 30)
    account.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    failure = error(answer.result(20))
    assert failure["errorType"] == "Runtime.ExitError"
    assert failure["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert account.invoke("f", "well") == "well"


def test_a_function_that_is_deleted_finishes_what_runs(account):
    account.deploy(function("f", BY_EVENT, timeout=60))
    assert account.invoke("f", "well") == "well"
    answer, _ = later(account, "f", 1.5)
    account.kubectl("delete", "function", "f")
    assert json.loads(answer.result(20)["Payload"].read()) == 1.5
    until(lambda: account.pods("f") == [], "its pods are gone")
    with pytest.raises(account.aws.exceptions.ResourceNotFoundException):
        until(lambda: account.invoke("f") and False, "it is not found", within=10)


def test_a_quota_without_room_is_told_and_when_there_is_some_it_goes_on(account):
    account.kubectl("create", "quota", "none", "--hard=pods=0")
    account.deploy(function("f", BY_EVENT))
    began = time.monotonic()
    with pytest.raises(account.aws.exceptions.ResourceNotReadyException, match="QuotaExceeded"):
        account.invoke("f", "well")
    assert time.monotonic() - began < 15
    # Nobody asks any more, and yet nothing is mended.
    account.becomes("f", "QuotaExceeded")
    assert "exceeded quota" in until(lambda: events(account, "QuotaExceeded"), "an Event")[0]["message"]
    account.kubectl("delete", "quota", "none")
    until(lambda: answered(account, "f"), "it answers")
    account.becomes("f", "Available")


def events(account, reason):
    found = json.loads(account.kubectl("get", "events", f"--field-selector=reason={reason}", "--output=json"))
    return [each for each in found["items"] if each["involvedObject"]["kind"] == "Function"]


def answered(account, name):
    try:
        return account.invoke(name, "well") == "well"
    except account.aws.exceptions.ResourceNotReadyException:
        return False


def test_a_node_without_room_is_told(account):
    account.deploy(function("f", BY_EVENT, memorySize=10240, timeout=60))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(account.aws.invoke, FunctionName="f", Payload=json.dumps(8)) for _ in range(4)]
        causes = [each.exception() for each in concurrent.futures.as_completed(answers)]
    told = [str(cause) for cause in causes if cause is not None]
    assert len(told) < 4
    assert all("Unschedulable" in each for each in told)
    assert account.invoke("f", "well") == "well"


def test_a_missing_secret_is_told_and_when_it_is_there_it_goes_on(account):
    account.deploy(function("f", BY_EVENT, environment={"secretRefs": ["keys"]}))
    with pytest.raises(account.aws.exceptions.ResourceNotReadyException, match="EnvironmentNotFound"):
        account.invoke("f", "well")
    account.becomes("f", "EnvironmentNotFound")
    account.kubectl("create", "secret", "generic", "keys", "--from-literal=KEY=v")
    until(lambda: answered(account, "f"), "it answers")


def test_code_that_cannot_be_loaded_is_told(account):
    account.deploy(function("f", "import nothing_like_this\n"))
    assert account.failure("f")["errorType"] == "Runtime.ImportModuleError"
    assert "nothing_like_this" in account.becomes("f", "InitFailed")["message"]
    account.apply(function("f", BY_EVENT))
    until(lambda: repaired(account), "it answers")
    account.becomes("f", "Available")


def repaired(account):
    answer = account.aws.invoke(FunctionName="f", Payload='"well"')
    return "FunctionError" not in answer


def test_an_archive_that_nobody_uploaded_is_told(account):
    missing = function("f")
    missing["spec"]["code"] = {"archive": "sha256:" + "0" * 64}
    account.deploy(missing)
    with pytest.raises(account.aws.exceptions.InvalidZipFileException, match="CodeNotFound"):
        account.invoke("f")
    account.becomes("f", "CodeNotFound")


def test_three_hundred_functions_at_once(account):
    functions = [
        function(f"f{number}", f"def handler(event, context): return {number}\n") for number in range(300)
    ]
    account.apply(*functions)
    account.known("f299")
    for number in (0, 150, 299):
        until(lambda number=number: found(account, f"f{number}") == number, f"f{number} answers")
    ready = "jsonpath={range .items[*]}{.status.conditions[?(@.type=='Ready')].status}{'\\n'}{end}"
    until(
        lambda: account.kubectl("get", "functions", f"--output={ready}").split().count("True") == 300,
        "all are ready",
    )


def found(account, name):
    try:
        return account.invoke(name)
    except account.aws.exceptions.ResourceNotFoundException:
        return None
