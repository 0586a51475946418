"""What the gateway writes into a Version's status: nothing twice, and nothing that waits is forgotten."""

from mayfly_gateway.backends.kubernetes.findings import Findings
from mayfly_gateway.backends.kubernetes.invoked import APART, Invoked
from mayfly_gateway.backends.kubernetes.objects import (
    Metadata,
    Retired,
    VersionObject,
    VersionSpec,
    VersionStatus,
)
from mayfly_gateway.catalogue import target_of
from mayfly_model.function import FunctionSpec
from mayfly_model.limits import RETIRED_MAX


def version(*uids: str) -> VersionObject:
    retired = tuple(Retired(f"hello-{uid}", uid) for uid in uids)
    return VersionObject(Metadata("hello.latest", "v"), VersionSpec(), VersionStatus(retired=retired))


def test_pods_beyond_what_the_list_holds_are_written_when_there_is_room():
    findings = Findings(None)
    for number in range(RETIRED_MAX + 2):
        findings.retire(str(number), f"hello-{number}")
    findings.changed = False
    assert len(findings.retired) == RETIRED_MAX
    findings.forget("0")
    assert findings.changed
    assert str(RETIRED_MAX) in {each.uid for each in findings.retired}


def test_that_a_retired_pod_is_gone_is_not_worth_writing():
    findings = Findings(version("a", "b"))
    findings.forget("a")
    findings.forget("never")
    assert not findings.changed


def test_what_another_gateway_took_away_is_written_again():
    findings = Findings(version("a"))
    findings.compare(version("a", "b"))
    assert not findings.changed
    findings.compare(version())
    assert findings.changed


def test_the_last_call_is_written_and_never_an_earlier_one():
    findings = Findings(None)
    findings.invoked(1_795_600_800.5)
    assert findings.changed
    findings.changed = False
    findings.invoked(1_795_600_700.0)
    assert not findings.changed
    assert findings.applied("shop", "hello.latest")["status"]["lastInvocationTime"] == "2026-11-25T10:00:00Z"


def test_what_was_written_of_the_last_call_is_written_on():
    known = VersionStatus(last_invocation_time="2026-11-25T10:00:00Z")
    findings = Findings(VersionObject(Metadata("hello.latest", "v"), VersionSpec(), known))
    assert findings.applied("shop", "hello.latest")["status"]["lastInvocationTime"] == "2026-11-25T10:00:00Z"


def test_calls_are_written_at_once_after_a_silence_and_then_once_a_minute():
    now = 1000.0
    invoked = Invoked(clock=lambda: now)
    spec = FunctionSpec.model_validate(
        {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": ""}}}
    )
    target = target_of(spec, cluster="c", namespace="shop", name="hello", digest="d")
    invoked.tell(target, b"")
    assert invoked.due() == [(target, 1000.0)]
    assert invoked.due() == []
    now = 1030.0
    invoked.tell(target, b"")
    now = 1059.0
    assert invoked.due() == []
    now = 1000.0 + APART
    assert invoked.due() == [(target, 1030.0)]
