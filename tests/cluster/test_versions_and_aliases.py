"""Versions are published and aliases moved with kubectl; the AWS SDK calls them, and sees each move at once."""

import bisect
import concurrent.futures
import contextlib
import http.client
import json
import math
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, field

import pytest
from tests.cluster.accounts import KUBECTL, Account, function, until
from tests.component.pace import a_moment

pytestmark = pytest.mark.disturbs
VERSIONS = 6
MOVES = 100
RATE = 100
"""Calls per second, as far as `CALLERS` at once can make them."""
CALLERS = 64
LATE = 1.0
"""Seconds within which every gateway follows an alias, on a machine that does nothing else."""


def code(number):
    return f"def handler(event, context):\n    return [{number}, context.function_version]\n"


def version(number):
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Version",
        "metadata": {"name": f"hello.{number}"},
        "spec": {"functionName": "hello"},
    }


def alias(number, **spec):
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Alias",
        "metadata": {"name": "hello.live"},
        "spec": {"functionName": "hello", "functionVersion": str(number), **spec},
    }


def executed(account, qualifier="live", client=None):
    """The version that ran, by the reply, which its function must confirm."""
    answer = (client or account.aws).invoke(FunctionName="hello", Qualifier=qualifier)
    content = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, content
    number, told = content
    assert answer["ExecutedVersion"] == told == str(number)
    return number


def publish(account, number):
    """Change the function and publish it under this number by kubectl alone."""
    account.apply(function("hello", code(number), timeout=60))
    applied = account.get("function", "hello")["metadata"]["generation"]
    until(
        lambda: account.get("function", "hello").get("status", {}).get("observedGeneration") == applied,
        "the operator has seen the change",
    )
    account.apply(version(number))
    until(lambda: account.ready("version", f"hello.{number}").get("status") == "True", f"{number} is ready")
    known(account, str(number))


def known(account, qualifier, *, gone=False):
    """Wait until every gateway knows the qualifier, or none does; which one answers is the Service's choice."""
    agreed = 0

    def twelve_times():
        nonlocal agreed
        try:
            account.aws.invoke(FunctionName="hello", Qualifier=qualifier, InvocationType="DryRun")
            there = True
        except account.aws.exceptions.ResourceNotFoundException:
            there = False
        agreed = agreed + 1 if there != gone else 0
        return agreed >= 12

    until(twelve_times, f"the gateways agree on {qualifier}")


def settled(account, number):
    """Wait until every gateway leads the alias there."""
    until(
        lambda: {executed(account) for _ in range(12)} == {number}, f"the alias leads to {number}", within=20
    )


def test_a_session_of_publishing_shifting_moving_and_deleting(account: Account):
    for number in (1, 2):
        publish(account, number)
    assert (executed(account, "1"), executed(account, "2")) == (1, 2)

    account.apply(alias(1, routing={"additionalVersion": "2", "weight": 0.1}))
    known(account, "live")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ran = list(pool.map(lambda _: executed(account), range(1000)))
    share = ran.count(2)
    print(f"\nweight 0.1: {share} of 1,000 calls")
    assert set(ran) == {1, 2}
    # Five standard deviations.
    assert abs(share - 100) <= 5 * math.sqrt(1000 * 0.1 * 0.9)

    account.apply(alias(2))
    settled(account, 2)
    account.apply(alias(1))
    settled(account, 1)

    until(
        lambda: account.get("version", "hello.1")["status"].get("aliases") == ["live"], "the alias is known"
    )
    refusal = account.kubectl("delete", "version", "hello.1", fails=True)
    assert "Unable to delete version because the following aliases reference it: [live]" in refusal
    assert executed(account) == 1

    account.apply(alias(2))
    settled(account, 2)
    until(lambda: not account.get("version", "hello.1")["status"].get("aliases"), "no alias names it")
    account.kubectl("delete", "version", "hello.1")
    known(account, "1", gone=True)
    assert executed(account) == 2
    until(
        lambda: (
            {pod["metadata"]["labels"]["mayfly.dev/version"] for pod in account.pods("hello")} <= {"hello.2"}
        ),
        "its pods are gone",
    )


def test_an_alias_of_a_missing_version_goes_on_and_says_so(account: Account):
    publish(account, 1)
    account.apply(alias(1))
    known(account, "live")
    account.apply(alias(9))
    until(lambda: account.ready("alias", "hello.live").get("reason") == "VersionNotFound", "it says so")
    assert {executed(account) for _ in range(12)} == {1}
    publish(account, 9)
    settled(account, 9)
    until(lambda: account.ready("alias", "hello.live").get("reason") == "Available", "it is well")


def test_a_version_that_is_deleted_finishes_what_it_runs(account: Account):
    slow = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
    account.apply(function("hello", slow, timeout=20), version(1))
    known(account, "1")
    account.aws.invoke(FunctionName="hello", Qualifier="1", Payload="0")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(account.aws.invoke, FunctionName="hello", Qualifier="1", Payload="3")
        until(lambda: running_calls(account), "it runs on the instance that is there")
        account.kubectl("delete", "version", "hello.1", "--wait=false")
        known(account, "1", gone=True)
        answer = running.result()
    assert (answer["StatusCode"], json.loads(answer["Payload"].read())) == (200, 3)


def running_calls(account):
    """How many calls of the function run, if the gateway that answers is its owner."""
    url = f"{account.gateway}/mayfly/v1beta1/namespaces/{account.name}/functions"
    with urllib.request.urlopen(url) as answer:
        return sum(each["running"] for each in json.load(answer))


@dataclass
class Moves:
    """What the alias named when. The API server took each move between its `begun` and its `ended`."""

    named: list[int] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def move(self, api, account, number):
        """Without a process for each move, whose start would be taken for the API server's time."""
        path = f"/apis/mayfly.dev/v1beta1/namespaces/{account.name}/aliases/hello.live"
        patch = json.dumps({"spec": {"functionVersion": str(number)}})
        begun = time.monotonic()
        api.request("PATCH", path, patch, {"Content-Type": "application/merge-patch+json"})
        answer = api.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        self.named.append(number)
        self.begun.append(begun)
        self.ended.append(time.monotonic())

    def staleness(self, number, sent, received):
        """For how many seconds, at most, the alias had not named this version any more when the call was sent."""
        best = math.inf
        last = bisect.bisect_right(self.begun, received) - 1
        for place in range(last, -1, -1):
            over = self.begun[place + 1] if place + 1 < len(self.begun) else math.inf
            if self.named[place] == number:
                best = min(best, max(0.0, sent - over))
            if sent - over > best:
                break
        return best


@pytest.fixture
def api():
    """A connection to the API server as kubectl has it."""
    proxy = subprocess.Popen([KUBECTL, "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        address = proxy.stdout.readline().rpartition(" ")[2].strip()
        with contextlib.closing(http.client.HTTPConnection(address)) as connection:
            yield connection
    finally:
        proxy.terminate()
        proxy.wait()
        proxy.stdout.close()


@pytest.mark.timeout(300)
def test_an_alias_moved_a_hundred_times_under_load_fails_no_call_and_is_followed_at_once(
    account: Account, api
):
    for number in range(1, VERSIONS + 1):
        publish(account, number)
        executed(account, str(number))
    moves = Moves()
    account.apply(alias(1))
    moves.move(api, account, 1)
    known(account, "live")
    settled(account, 1)
    calls, failures, stop = [], [], threading.Event()
    client, free = account.client(), threading.Semaphore(CALLERS)

    def call():
        sent = time.monotonic()
        try:
            number = executed(account, client=client)
        except Exception as error:
            failures.append(repr(error)[:300])
        else:
            calls.append((sent, time.monotonic(), number))
        finally:
            free.release()

    def load(pool):
        due = time.monotonic()
        while not stop.is_set():
            free.acquire()
            pool.submit(call)
            due += 1 / RATE
            stop.wait(max(0.0, due - time.monotonic()))

    with concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        loading = threading.Thread(target=load, args=(pool,))
        loading.start()
        began = time.monotonic()
        for count in range(MOVES):
            moves.move(api, account, 1 + (count + 1) % VERSIONS)
            stop.wait(max(0.0, began + 0.5 * (count + 1) - time.monotonic()))
        lasted = time.monotonic() - began
        slow = max(1.0, a_moment() / 0.3)
        stop.set()
        loading.join()
    late = sorted(moves.staleness(number, sent, received) for sent, received, number in calls)
    rate = len(calls) / lasted
    print(
        f"\n{len(calls)} calls at {rate:.0f}/s over {MOVES} moves in {lasted:.0f} s; failed {len(failures)}; "
        f"behind the alias: p99 {late[int(len(late) * 0.99)] * 1000:.0f} ms, most {late[-1] * 1000:.0f} ms"
    )
    assert failures == []
    assert {number for _, _, number in calls} == set(range(1, VERSIONS + 1))
    assert late[-1] <= LATE * slow
    assert rate > RATE / 2 / slow


@pytest.mark.parametrize("qualifier", ["7", "nobody"])
def test_an_unknown_qualifier_is_not_found(account: Account, qualifier):
    account.deploy(function("hello"))
    with pytest.raises(account.aws.exceptions.ResourceNotFoundException) as caught:
        account.aws.invoke(FunctionName="hello", Qualifier=qualifier)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("Function not found: arn:aws:lambda:")
    assert message.endswith(f":{account.name}:function:hello:{qualifier}")
