"""What a gateway on a cluster is told, by the variables that the chart sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from mayfly_model.manifest import written
from mayfly_model.sentences import sentences
from mayfly_model.sizing import Sizing


class SettingsError(ValueError):
    """A variable is missing or wrong; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """One gateway process of an installation.

    `namespace` is the account of calls that name none; `pod_uid`, `pod_namespace`: this process's own.
    `kubeconfig` is None in a pod. `endpoint` is where functions reach the gateways. `leave_time` and `stop_time`, in
    seconds, are parts of what the pod has from its SIGTERM to its end. `sizing`: what instances have, as the operator
    is told. For `account_limit` and `unreserved_minimum` see `mayfly_gateway.settings.Settings`.
    """

    namespace: str
    cluster: str
    pod_name: str
    pod_uid: str
    pod_namespace: str
    pod_ip: str
    keys: Path
    runtimes: Path
    nats_url: str
    nats_username: str | None = None
    nats_password: str | None = field(default=None, repr=False)
    kubeconfig: str | None = None
    endpoint: str | None = None
    host: str = "0.0.0.0"  # noqa: S104 - a pod's, with a NetworkPolicy around it
    port: int = 8080
    service: str = "mayfly-gateway"
    leave_time: float = 5.0
    stop_time: float = 25.0
    sizing: Sizing = field(default_factory=Sizing)
    account_limit: int = 1000
    unreserved_minimum: int = 100


def read_settings(environment: Mapping[str, str]) -> ClusterSettings:
    """The settings as the environment says them.

    Raises:
        SettingsError: one is missing or wrong.
    """

    def text(name: str, default: str | None = None) -> str:
        value = environment.get(name) or default
        if not value:
            raise SettingsError(f"{name} should be set")
        return value

    def count(name: str, default: int) -> int:
        value = environment.get(name) or str(default)
        if not value.isdecimal() or len(value) > 9:
            raise SettingsError(f"{name} should be a whole number, and is {value!r}")
        return int(value)

    def number(name: str, default: float) -> float:
        value = environment.get(name) or default
        try:
            return float(value)
        except ValueError:
            raise SettingsError(f"{name} should be a number of seconds, and is {value!r}") from None

    pod_namespace = text("POD_NAMESPACE", "mayfly-system")
    service = text("MAYFLY_SERVICE_NAME", "mayfly-gateway")
    username, password = _nats_credentials(environment.get("MAYFLY_NATS_CREDENTIALS"))
    leave_time = number("MAYFLY_LEAVE_SECONDS", 5.0)
    return ClusterSettings(
        namespace=text("MAYFLY_NAMESPACE", "default"),
        cluster=text("MAYFLY_CLUSTER", "cluster"),
        pod_name=text("POD_NAME"),
        pod_uid=text("POD_UID"),
        pod_namespace=pod_namespace,
        pod_ip=text("POD_IP"),
        keys=Path(text("MAYFLY_KEYS_DIR")),
        runtimes=Path(text("MAYFLY_RUNTIMES_FILE")),
        nats_url=text("MAYFLY_NATS_URL"),
        nats_username=username,
        nats_password=password,
        kubeconfig=environment.get("KUBECONFIG") or None,
        endpoint=environment.get("MAYFLY_ENDPOINT") or f"http://{service}.{pod_namespace}",
        port=int(number("MAYFLY_PORT", 8080.0)),
        service=service,
        leave_time=leave_time,
        sizing=_sizing(environment.get("MAYFLY_INSTANCE_SIZING", "")),
        stop_time=max(0.0, number("MAYFLY_SHUTDOWN_GRACE_SECONDS", 30.0) - leave_time),
        account_limit=count("MAYFLY_ACCOUNT_CONCURRENCY", 1000),
        unreserved_minimum=count("MAYFLY_UNRESERVED_CONCURRENCY", 100),
    )


def _nats_credentials(directory: str | None) -> tuple[str | None, str | None]:
    """The files `username` and `password` of a mounted Secret."""
    if not directory:
        return None, None
    try:
        username, password = (Path(directory, name).read_text().strip() for name in ("username", "password"))
    except OSError as error:
        raise SettingsError(f"MAYFLY_NATS_CREDENTIALS: {error}") from error
    return username, password


def _sizing(text: str) -> Sizing:
    try:
        return Sizing.model_validate_json(text or "{}", by_alias=True, by_name=False)
    except ValidationError as error:
        told = "; ".join(f"{written(where)}: {sentence}" for where, sentence in sentences(Sizing, error))
        raise SettingsError(f"MAYFLY_INSTANCE_SIZING: {told}") from None
