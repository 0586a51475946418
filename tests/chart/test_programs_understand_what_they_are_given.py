"""What the chart writes for the operator and the gateway is read by their own code, whole."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.chart.rendering import Rendering, render

from mayfly_gateway.backends.kubernetes.settings import read_settings as read_gateway_settings
from mayfly_model.runtime_list import parse_runtimes
from mayfly_model.sizing import Sizing
from mayfly_operator.settings import Settings, SettingsFile, read_settings


def _environment(rendering: Rendering, component: str, folder: Path) -> dict[str, str]:
    """The variables of a component's pod, with its mounted files in a folder of this machine."""
    spec = rendering.pod_spec(component)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    [container] = spec["containers"]
    places = {}
    for mount in container["volumeMounts"]:
        place = folder / mount["name"]
        place.mkdir()
        places[mount["mountPath"]] = place
        for name, content in _files(rendering, volumes[mount["name"]]):
            (place / name).write_bytes(content)
    return {variable["name"]: _value(variable, places) for variable in container["env"]}


def _value(variable: dict[str, Any], places: dict[str, Path]) -> str:
    if "value" not in variable:
        return f"from {variable['valueFrom']}"
    value: str = variable["value"]
    for path, place in places.items():
        value = value.replace(path, str(place)) if value.startswith("/etc/") else value
    return value


def _files(rendering: Rendering, volume: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    if "configMap" in volume:
        for name, text in rendering.one("ConfigMap", volume["configMap"]["name"])["data"].items():
            yield name, text.encode()
    if "secret" in volume:
        data = rendering.one("Secret", volume["secret"]["secretName"])["data"]
        keys = [item["key"] for item in volume["secret"].get("items", [{"key": key} for key in data])]
        for key in keys:
            yield key, base64.b64decode(data[key])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The operator's, where every value is set; the key pair is the chart's."""
    rendering = render("gateway.keys.existingSecret=", files=("everything",))
    return read_settings(_environment(rendering, "operator", tmp_path))


def test_the_operator_reads_its_defaults(tmp_path: Path, defaults: Rendering) -> None:
    settings = read_settings(_environment(defaults, "operator", tmp_path))
    # Nothing said by the values is what the operator does when nothing is said.
    assert settings.instances == SettingsFile().instances
    assert settings.pools == SettingsFile().pools
    assert settings.network_policy.enabled
    assert settings.lease == "mayfly-operator"


def test_the_operator_reads_every_value(settings: Settings) -> None:
    assert settings.instances.runtime_class_name == "gvisor"
    assert settings.instances.tolerations[0]["key"] == "pool"
    assert settings.instances.requests.memory == 0.5
    assert "python3.11" not in settings.runtimes
    assert settings.runtimes["python3.13"].image == "registry.example.com/python:3.13"
    assert settings.runtimes["nodejs24.x"].image == "registry.example.com/mayfly/runtime-nodejs24:1.2.3"


def test_gateways_resize_to_what_the_operator_gives(settings: Settings, tmp_path: Path) -> None:
    rendering = render("gateway.keys.existingSecret=", "nats.auth.existingSecret=", files=("everything",))
    folder = tmp_path / "of the gateway"
    folder.mkdir()
    told = read_gateway_settings(_environment(rendering, "gateway", folder)).sizing
    options = settings.instances
    assert told == Sizing(cpu_limit_minimum=options.cpu_limit_minimum, requests=options.requests)


def test_every_setting_of_the_operator_can_be_set(settings: Settings) -> None:
    default = SettingsFile()
    for name, now, before in (
        *_fields(settings.instances, default.instances),
        *_fields(settings.pools, default.pools),
        *_fields(settings.network_policy, default.network_policy),
    ):
        assert now != before, f"no value of the chart, or none in everything-values.yaml, sets {name}"


def _fields(now: BaseModel, before: BaseModel) -> Iterator[tuple[str, Any, Any]]:
    for name in type(now).model_fields:
        if name != "image_pull_policy":
            yield name, getattr(now, name), getattr(before, name)


def test_the_policies_of_functions_admit_the_pods_of_the_gateway(defaults: Rendering, tmp_path: Path) -> None:
    peers = read_settings(_environment(defaults, "operator", tmp_path)).network_policy
    template = defaults.one("Deployment", "mayfly-gateway")["spec"]["template"]["metadata"]
    assert peers.gateway_labels.items() <= template["labels"].items()
    assert peers.gateway_namespace == defaults.one("Deployment", "mayfly-gateway")["metadata"]["namespace"]
    for name, pod in defaults.pod_templates():
        if name != "Deployment/mayfly-gateway":
            assert not peers.gateway_labels.items() <= pod["metadata"]["labels"].items(), name


def test_runtimes_are_read_in_full(rendering: Rendering) -> None:
    runtimes = parse_runtimes(rendering.one("ConfigMap", "mayfly-runtimes")["data"]["runtimes.yaml"])
    assert runtimes["provided.al2023"].bootstrap == "/var/task/bootstrap"
    assert {runtime.family for runtime in runtimes.values()} == {"python", "nodejs", "provided"}
