"""What the operator is told when it starts, and what it says where that cannot be."""

import base64
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from mayfly_operator.settings import SettingsError, read_settings

RUNTIMES = """
- {name: python3.13, family: python, version: "3.13", image: mayfly/python:1, bootstrap: /var/runtime/bootstrap}
"""


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mayfly")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def told(tmp_path):
    """An environment, with its files."""
    (tmp_path / "tls.crt").write_text(certificate(KEY))
    (tmp_path / "runtimes.yaml").write_text(RUNTIMES)
    return {
        "POD_NAME": "operator-0",
        "POD_UID": "1",
        "POD_NAMESPACE": "mayfly-system",
        "MAYFLY_KEYS_DIR": str(tmp_path),
        "MAYFLY_RUNTIMES_FILE": str(tmp_path / "runtimes.yaml"),
    }


def with_settings(told, tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return told | {"MAYFLY_SETTINGS_FILE": str(path)}


def test_the_modulus_is_the_gateways(told):
    text = read_settings(told).public_key
    number = int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
    assert number == KEY.public_key().public_numbers().n
    assert "=" not in text


def test_little_needs_to_be_said(told):
    settings = read_settings(told)
    assert settings.identity == "operator-0_1"
    assert settings.lease == "mayfly-operator"
    assert settings.runtimes["python3.13"].image == "mayfly/python:1"
    assert settings.instances.image_pull_policy == "IfNotPresent"
    assert not settings.network_policy.enabled


def test_helms_empty_values_are_none(told, tmp_path):
    settings = read_settings(
        with_settings(
            told, tmp_path, 'instances: {priorityClassName: "", runtimeClassName: "", tolerations: []}'
        )
    )
    assert settings.instances.priority_class_name is None
    assert settings.instances.runtime_class_name is None


def test_an_installation_sets_pods_and_policies(told, tmp_path):
    text = """
    instances: {nodeSelector: {pool: functions}, requests: {cpu: 0.5}}
    networkPolicy: {enabled: true, gatewayNamespace: mayfly-system, gatewayLabels: {app: gateway}}
    """
    settings = read_settings(with_settings(told, tmp_path, text))
    assert settings.instances.node_selector == {"pool": "functions"}
    assert settings.instances.requests.cpu == 0.5
    assert settings.network_policy.gateway_labels == {"app": "gateway"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "instances: {nodeselector: {}}",
            "instances.nodeselector: unknown field; did you mean nodeSelector?",
        ),
        ("instances: {requests: {cpu: 1}}", "instances.requests.cpu: found 1"),
        ("instances: [", "settings.yaml"),
    ],
    ids=["an unknown field", "requests that are limits", "no YAML"],
)
def test_a_mistake_is_told(told, tmp_path, text, sentence):
    with pytest.raises(SettingsError, match=r"settings\.yaml") as error:
        read_settings(with_settings(told, tmp_path, text))
    assert sentence in str(error.value)


@pytest.mark.parametrize("name", ["POD_NAME", "POD_NAMESPACE", "MAYFLY_KEYS_DIR", "MAYFLY_RUNTIMES_FILE"])
def test_what_is_missing_is_named(told, name):
    del told[name]
    with pytest.raises(SettingsError, match=name):
        read_settings(told)


def test_a_key_of_another_kind_is_refused(told, tmp_path):
    (tmp_path / "tls.crt").write_text(certificate(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(SettingsError, match="RSA"):
        read_settings(told)


def test_a_broken_list_of_runtimes_is_told_by_its_line(told, tmp_path):
    (tmp_path / "runtimes.yaml").write_text("- {name: python3.13}\n")
    with pytest.raises(SettingsError, match=r"runtimes\.yaml:1"):
        read_settings(told)
