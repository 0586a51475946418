"""Who gets which secret: the private key and the password of NATS go to the gateway, and as files."""

import base64

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from tests.chart.rendering import Object, Rendering, render


def _volume(spec: Object, name: str) -> Object:
    volume: Object = next(one for one in spec["volumes"] if one["name"] == name)
    return volume


def test_the_key_pair_is_one() -> None:
    data = render().one("Secret", "mayfly-gateway-keys")["data"]
    key = load_pem_private_key(base64.b64decode(data["tls.key"]), None)
    certificate = load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size == 2048
    assert key.public_key() == certificate.public_key()
    assert key.public_key().public_numbers().e == 65537


def test_two_installations_have_different_secrets(defaults: Rendering) -> None:
    other = render()
    for name in ("mayfly-gateway-keys", "mayfly-nats-auth"):
        assert defaults.one("Secret", name)["data"] != other.one("Secret", name)["data"]


def test_the_operator_gets_the_certificate_alone(rendering: Rendering) -> None:
    secret = _volume(rendering.pod_spec("operator"), "public-key")["secret"]
    assert [item["key"] for item in secret["items"]] == ["tls.crt"]


def test_only_the_gateway_gets_the_private_key(rendering: Rendering) -> None:
    whole = [
        name
        for name, template in rendering.pod_templates()
        for volume in template["spec"].get("volumes", [])
        if "tls.crt" not in str(volume) and volume.get("secret", {}).get("secretName", "").endswith("keys")
    ]
    assert whole == ["Deployment/mayfly-gateway"]


def test_secret_files_are_for_the_process_alone(rendering: Rendering) -> None:
    for name, template in rendering.pod_templates():
        for volume in template["spec"].get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] in (0o440, 440), name


def test_no_secret_is_written_into_a_pod(rendering: Rendering) -> None:
    for name, template in rendering.pod_templates():
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                if any(word in variable["name"] for word in ("PASSWORD", "TOKEN", "SECRET", "USERNAME")):
                    assert "secretKeyRef" in variable["valueFrom"], (name, variable["name"])


def test_no_config_map_holds_a_secret(defaults: Rendering) -> None:
    made = [
        base64.b64decode(value).decode()
        for secret in defaults.of_kind("Secret")
        for key, value in secret["data"].items()
        if key not in ("tls.crt", "username")
    ]
    assert len(made) == 3
    for config_map in defaults.of_kind("ConfigMap"):
        assert not any(secret in str(config_map["data"]) for secret in made)


def test_a_changed_secret_or_setting_rolls_the_pods_that_read_it(defaults: Rendering) -> None:
    changed = render("runtimes.python3\\.13.image=example.com/python:1", "instances.priorityClassName=low")
    annotations = {
        component: {
            rendering.one("Deployment", f"mayfly-{component}")["spec"]["template"]["metadata"]["annotations"][
                key
            ]
            for rendering in (defaults, changed)
        }
        for component, key in (("gateway", "checksum/runtimes"), ("operator", "checksum/settings"))
    }
    assert {component: len(values) for component, values in annotations.items()} == {
        "gateway": 2,
        "operator": 2,
    }


def test_credentials_of_ones_own_nats_are_given_to_the_gateway_only() -> None:
    rendering = render(files=("own-nats",))
    container = rendering.pod_spec("gateway")["containers"][0]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert environment["MAYFLY_NATS_URL"] == "tls://nats.messaging:4222"
    assert environment["MAYFLY_NATS_CREDENTIALS"] == "/etc/mayfly/nats"
    assert _volume(rendering.pod_spec("gateway"), "nats")["secret"]["secretName"] == "nats-account"
    assert not rendering.of_kind("StatefulSet")


def test_a_nats_that_asks_for_nothing_gets_nothing() -> None:
    rendering = render("nats.url=nats://nats.messaging:4222")
    names = {variable["name"] for variable in rendering.pod_spec("gateway")["containers"][0]["env"]}
    assert "MAYFLY_NATS_CREDENTIALS" not in names
    assert not any(secret["metadata"]["name"] == "mayfly-nats-auth" for secret in rendering.of_kind("Secret"))
