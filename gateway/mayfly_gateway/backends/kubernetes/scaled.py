"""How many instances of aliases are kept by the clock and the load, in their status: read, and written. Pure."""

from typing import Any

from pydantic import ValidationError

from mayfly_gateway.backends.kubernetes.objects import AliasObject
from mayfly_gateway.provision_plan import Decided, status_of
from mayfly_gateway.rollout import Said
from mayfly_model.function import API_VERSION
from mayfly_model.objects import as_applied
from mayfly_model.provisioned_scaling import ProvisionedConcurrencyScalingStatus


def read_scaled(alias: AliasObject) -> Decided | None:
    """What was decided last; None for nothing that this release understands."""
    if alias.status.provisioned_concurrency_scaling is None:
        return None
    try:
        told = ProvisionedConcurrencyScalingStatus.model_validate(
            alias.status.provisioned_concurrency_scaling
        )
    except ValidationError:
        return None
    return Decided(
        generation=told.observed_generation,
        instances=told.requested,
        reason=told.reason,
        message=told.message,
        out_at=None if told.scaled_out_at is None else told.scaled_out_at.timestamp(),
        in_at=None if told.scaled_in_at is None else told.scaled_in_at.timestamp(),
    )


def applied(namespace: str, said: Said, decided: Decided | None) -> dict[str, Any]:
    """What is written down of this very object; None takes it away."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Alias",
        "metadata": {"namespace": namespace, "name": said.source, "uid": said.uid},
        "status": {}
        if decided is None
        else {"provisionedConcurrencyScaling": as_applied(status_of(decided))},
    }
