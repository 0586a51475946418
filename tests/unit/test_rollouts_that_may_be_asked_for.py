"""What an Alias may say of a rollout, and what it may not."""

import pytest
from pydantic import ValidationError

from mayfly_model.alias import AliasSpec, AliasStatus

CANARY = {"type": "Canary", "percentage": 10, "intervalMinutes": 5}


def alias(*, version="2", rollout=None, **more):
    spec = {"functionName": "hello", "functionVersion": version, "rollout": rollout or CANARY, **more}
    return AliasSpec.model_validate(spec, by_alias=True, by_name=False)


@pytest.mark.parametrize(
    "rollout",
    [
        CANARY,
        {"type": "Linear", "percentage": 99, "intervalMinutes": 0.1},
        {**CANARY, "alarm": {"errorRate": 0, "minimumInvocations": 1}},
        {**CANARY, "alarm": {"errorRate": 0.05, "p99Milliseconds": 300}},
    ],
)
def test_a_rollout_may_be(rollout):
    assert alias(rollout=rollout).rollout is not None


@pytest.mark.parametrize(
    "rollout",
    [
        {"type": "AllAtOnce", "percentage": 10, "intervalMinutes": 5},
        {"type": "Canary", "intervalMinutes": 5},
        {**CANARY, "percentage": 100},
        {**CANARY, "percentage": 0.5},
        {**CANARY, "intervalMinutes": 0},
        {**CANARY, "alarm": {}},
        {**CANARY, "alarm": {"minimumInvocations": 5}},
        {**CANARY, "alarm": {"errorRate": 5}},
    ],
)
def test_a_rollout_may_not_be(rollout):
    with pytest.raises(ValidationError):
        alias(rollout=rollout)


def test_a_rollout_needs_a_published_version():
    with pytest.raises(ValidationError, match="publish a version first"):
        alias(version="$LATEST")


def test_shares_are_shifted_by_hand_or_by_themselves():
    with pytest.raises(ValidationError, match="not allowed with routing"):
        alias(routing={"additionalVersion": "3", "weight": 0.1})


def test_how_far_it_is_reads_as_it_is_written():
    told = {
        "observedGeneration": 3,
        "fromVersion": "1",
        "toVersion": "2",
        "weight": 0.1,
        "step": 1,
        "startedAt": "2026-01-01T00:00:00Z",
        "steppedAt": "2026-01-01T00:00:00Z",
        "phase": "Progressing",
        "aFieldOfANewerRelease": 1,
    }
    read = AliasStatus.model_validate({"rollout": told}).rollout
    assert read is not None
    assert (read.from_version, read.to_version, read.phase) == ("1", "2", "Progressing")
