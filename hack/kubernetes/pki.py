"""The cluster's certificates and kubeconfigs, made once on a machine.

Rule: each component is its own user, by the subject that Kubernetes's own roles are bound to. They outlive the
cluster, so that a kubeconfig in somebody's hands is good for the next one.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from layout import API_SERVER, KUBECONFIGS, KUBERNETES_SERVICE_IP, NODE_IP, NODE_NAME, PKI

_VALID = timedelta(days=3650)
_SERVER_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_KEY_USES = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate's holder: its user name, its group and the names under which it serves."""

    user: str
    group: str | None = None
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def subject(self) -> x509.Name:
        """As Kubernetes reads it: O is the group, CN the user."""
        group = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.group)] if self.group else []
        return x509.Name([*group, x509.NameAttribute(NameOID.COMMON_NAME, self.user)])

    @property
    def alternatives(self) -> x509.SubjectAlternativeName:
        """What a client may call it."""
        addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in self.addresses]
        return x509.SubjectAlternativeName([*(x509.DNSName(name) for name in self.names), *addresses])


IDENTITIES = {
    "apiserver": Identity(
        user="kube-apiserver", names=_SERVER_NAMES, addresses=(NODE_IP, KUBERNETES_SERVICE_IP, "127.0.0.1")
    ),
    "apiserver-kubelet-client": Identity(user="kube-apiserver-kubelet-client", group="system:masters"),
    "front-proxy-client": Identity(user="front-proxy-client"),
    "admin": Identity(user="admin", group="system:masters"),
    "kube-controller-manager": Identity(user="system:kube-controller-manager"),
    "kube-scheduler": Identity(user="system:kube-scheduler"),
    "kube-proxy": Identity(user="system:kube-proxy"),
    "kube-router": Identity(user="kube-router", group="system:masters"),
    "kubelet": Identity(
        user=f"system:node:{NODE_NAME}", group="system:nodes", names=(NODE_NAME,), addresses=(NODE_IP,)
    ),
}
_CLIENTS = ("admin", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kube-router", "kubelet")


def write() -> None:
    """Write every key and certificate into the PKI folder, and a kubeconfig for each client, unless they are there."""
    complete = PKI / f"made-by-{_recipe()}"
    if complete.exists():
        return
    for folder in (PKI, KUBECONFIGS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    authority_key, authority = _authority()
    _save("ca", authority_key, authority)
    for name, identity in IDENTITIES.items():
        key = ec.generate_private_key(ec.SECP256R1())
        _save(name, key, _signed(identity, key, authority_key, authority))
    _save("service-accounts", ec.generate_private_key(ec.SECP256R1()))
    for name in _CLIENTS:
        _secret(KUBECONFIGS / name, json.dumps(_kubeconfig(name), indent=2).encode())
    complete.touch()


def _recipe() -> str:
    """A hash of what makes certificates what they are."""
    said = repr((IDENTITIES, _VALID, API_SERVER)).encode()
    return hashlib.sha256(said + Path(__file__).read_bytes()).hexdigest()[:16]


def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    identity = Identity(user="kubernetes")
    usage = x509.KeyUsage(**_KEY_USES | {"key_cert_sign": True, "crl_sign": True, "digital_signature": True})
    builder = _builder(identity, key, identity.subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(usage, critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _signed(
    identity: Identity,
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
) -> x509.Certificate:
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _builder(identity, key, authority.subject, authority_key)
    if identity.names or identity.addresses:
        builder = builder.add_extension(identity.alternatives, critical=False)
    return builder.add_extension(uses, critical=False).sign(authority_key, hashes.SHA256())


def _builder(
    identity: Identity,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=identity.subject, issuer_name=issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    # An hour of tolerance for clocks.
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + _VALID)
    # Python from 3.13 on trusts no certificate without these two.
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(own, critical=False).add_extension(issuers, critical=False)


def _save(name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate | None = None) -> None:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    _secret(PKI / f"{name}.key", private)
    (PKI / f"{name}.pub").write_bytes(public)
    if certificate is not None:
        (PKI / f"{name}.crt").write_bytes(certificate.public_bytes(pem))


def _secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _kubeconfig(name: str) -> dict[str, object]:
    def embedded(file: str) -> str:
        return base64.b64encode((PKI / file).read_bytes()).decode()

    cluster = {"server": API_SERVER, "certificate-authority-data": embedded("ca.crt")}
    user = {"client-certificate-data": embedded(f"{name}.crt"), "client-key-data": embedded(f"{name}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "mayfly", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "mayfly", "context": {"cluster": "mayfly", "user": name}}],
        "current-context": "mayfly",
    }
