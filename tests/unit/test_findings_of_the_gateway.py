"""What the gateway writes into a Version's status: nothing twice, and nothing that waits is forgotten."""

from mayfly_gateway.backends.kubernetes.findings import Findings
from mayfly_gateway.backends.kubernetes.objects import (
    Metadata,
    Retired,
    VersionObject,
    VersionSpec,
    VersionStatus,
)
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
