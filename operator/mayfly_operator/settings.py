"""What the operator is told once, when it starts. No module reads the environment or a file for itself.

Rule: a mistake in a file is said in a sentence with the file's name, and the operator does not start.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate
from pydantic import BeforeValidator, Field, ValidationError

from mayfly_model.manifest import written
from mayfly_model.part import Part
from mayfly_model.runtime_list import BrokenListError, RuntimeImage, parse_runtimes
from mayfly_model.sentences import sentences
from mayfly_model.sizing import Sizing

_EXPONENT: Final = 65537
Name = Annotated[str | None, BeforeValidator(lambda value: value or None)]
"""An object's name; empty is none, as Helm's values say it."""


class SettingsError(ValueError):
    """The operator cannot start with what it was told; the message says what to change."""


class InstanceOptions(Sizing):
    """What an installation sets for the pods of all functions; Kubernetes's own fields are passed on as they are."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the runtime's image is pulled."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets in the function's namespace."""
    priority_class_name: Name = None
    """PriorityClass of instances."""
    runtime_class_name: Name = None
    """RuntimeClass of instances."""
    scheduler_name: Name = None
    """Scheduler of instances."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes that run instances."""
    tolerations: tuple[dict[str, Any], ...] = ()
    """Taints that instances tolerate."""
    affinity: dict[str, Any] = Field(default_factory=dict)
    """Affinity of instances."""
    topology_spread_constraints: tuple[dict[str, Any], ...] = ()
    """How instances are spread; without a labelSelector, a version's own are."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of every instance, besides Mayfly's."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of every instance, besides Mayfly's."""
    read_only_root_filesystem: bool = False
    """Read-only but for /tmp and /var/task, which are emptyDirs then: an instance takes 270 ms longer to start."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=900)] = 5
    """How long a deleted instance has to end."""


class GatewayPeers(Part):
    """Whom the NetworkPolicy of each namespace with Functions lets in."""

    enabled: bool = False
    """Whether there is such a policy."""
    gateway_namespace: str = ""
    """The release's namespace."""
    gateway_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the gateways' pods."""


class PoolOptions(Part):
    """Pods that wait, in each namespace and for each runtime that is in use there, to become some function's."""

    enabled: bool = True
    """Whether there are any."""
    size: Annotated[int, Field(ge=1, le=1000)] = 2
    """How many wait while little is started."""
    max_size: Annotated[int, Field(ge=1, le=1000)] = 10
    """How many wait at most, while many are started."""
    silence_seconds: Annotated[int, Field(ge=1, le=604_800)] = 600
    """After how long without an instance of the runtime in the namespace no more are made."""
    lifetime_seconds: Annotated[int, Field(ge=30, le=504_000)] = 600
    """How long a pod waits until it ends by itself, give or take a fifth."""


class SettingsFile(Part):
    """What the chart writes."""

    instances: InstanceOptions = InstanceOptions()
    """The pods of functions."""
    pools: PoolOptions = PoolOptions()
    """The warm pools."""
    network_policy: GatewayPeers = GatewayPeers()
    """The NetworkPolicies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One operator process. Times are in seconds.

    `identity` names this process among those that want to lead. `public_key` is the gateways' RSA modulus in
    base64url.
    """

    identity: str
    namespace: str
    public_key: str
    runtimes: Mapping[str, RuntimeImage]
    instances: InstanceOptions = field(default_factory=InstanceOptions)
    pools: PoolOptions = field(default_factory=PoolOptions)
    network_policy: GatewayPeers = field(default_factory=GatewayPeers)
    kubeconfig: str | None = None
    lease: str = "mayfly-operator"
    lease_duration: float = 8.0
    renew_deadline: float = 5.0
    retry_period: float = 1.0
    health_host: str = "0.0.0.0"  # noqa: S104 - the kubelet's probes come from the node's address.
    health_port: int = 8081
    sweep_interval: float = 12.0
    config_map_interval: float = 30.0
    listing_interval: float = 60.0


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment.

    Reads `MAYFLY_RUNTIMES_FILE`, `tls.crt` (a certificate, PEM) in `MAYFLY_KEYS_DIR` and, if set,
    `MAYFLY_SETTINGS_FILE` (:class:`SettingsFile` as YAML); `POD_NAME`, `POD_UID` and `POD_NAMESPACE` say who this is.
    `KUBECONFIG` is for an operator outside a cluster.

    Raises:
        SettingsError: something is missing or wrong.
    """
    file = _settings_file(environment)
    return Settings(
        identity=f"{_given(environment, 'POD_NAME')}_{environment.get('POD_UID', '')}",
        namespace=_given(environment, "POD_NAMESPACE"),
        public_key=modulus(_content(Path(_given(environment, "MAYFLY_KEYS_DIR"), "tls.crt"))),
        runtimes=_runtimes(_content(Path(_given(environment, "MAYFLY_RUNTIMES_FILE")))),
        instances=file.instances,
        pools=file.pools,
        network_policy=file.network_policy,
        kubeconfig=environment.get("KUBECONFIG") or None,
        lease=environment.get("MAYFLY_LEASE_NAME") or "mayfly-operator",
        health_host=environment.get("MAYFLY_HEALTH_HOST") or "0.0.0.0",  # noqa: S104 - as above.
        health_port=_port(environment.get("MAYFLY_HEALTH_PORT") or "8081"),
    )


def modulus(certificate: str) -> str:
    """The RSA modulus of a certificate: big endian, base64url without padding.

    Raises:
        SettingsError: it is no certificate, or its key is another kind of key.
    """
    try:
        key = load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError as error:
        raise SettingsError(f"tls.crt: no certificate in PEM form: {error}") from None
    if not isinstance(key, RSAPublicKey) or key.public_numbers().e != _EXPONENT:
        raise SettingsError(f"tls.crt: allowed: an RSA key with the exponent {_EXPONENT}")
    number = key.public_numbers().n
    return (
        base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode().rstrip("=")
    )


def _given(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None


def _runtimes(content: str) -> dict[str, RuntimeImage]:
    try:
        return parse_runtimes(content)
    except BrokenListError as error:
        raise SettingsError(f"MAYFLY_RUNTIMES_FILE: {error}") from None


def _settings_file(environment: Mapping[str, str]) -> SettingsFile:
    path = environment.get("MAYFLY_SETTINGS_FILE")
    if not path:
        return SettingsFile()
    try:
        data = yaml.safe_load(_content(Path(path))) or {}
        return SettingsFile.model_validate(data, by_alias=True, by_name=False)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: {error}") from None
    except ValidationError as error:
        told = "; ".join(
            f"{written(where)}: {sentence}" for where, sentence in sentences(SettingsFile, error)
        )
        raise SettingsError(f"{path}: {told}") from None


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 2**16:
        raise SettingsError(f"MAYFLY_HEALTH_PORT: found {text}; allowed: 0 to 65535")
    return int(text)
