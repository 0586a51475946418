"""Pods that are none of the platform's: NetworkPolicies keep them out, and without those the agents do."""

import base64
import json
import time
import uuid
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.cluster.accounts import SYSTEM, function, kubectl, own_account, until
from tests.cluster.plain_pods import WAITS, images, plain_pod
from tests.cluster.stranger import BODY, ROUTES
from tests.component.signing import Signer, private_key

AGENT_PORT, NATS_PORTS, OPERATOR_PORT = 8080, (4222, 8222), 8081


@pytest.fixture(scope="module")
def neighbour(shared_account):
    """A stranger in the function's own namespace."""
    return plain_pod(shared_account, "stranger", next(iter(images().values())), *WAITS)


@pytest.fixture(scope="module")
def foreigner(gateway):
    """A stranger in another namespace, who calls itself a gateway."""
    with own_account(gateway) as account:
        pod = plain_pod(account, "stranger", next(iter(images().values())), *WAITS)
        labels = ("app.kubernetes.io/component=gateway", "app.kubernetes.io/name=mayfly")
        account.kubectl("label", "pod", pod.name, *labels, "app.kubernetes.io/instance=mayfly")
        yield pod


@pytest.fixture(scope="module")
def instance(shared_account):
    """A function's pod."""
    shared_account.deploy(function("guarded", keepAlive=600))
    assert shared_account.invoke("guarded", 1) == 1
    return shared_account.only_pod("guarded")


@pytest.fixture(scope="module")
def signer():
    """Signs as the gateways do, with their own key."""
    secret = kubectl(f"--namespace={SYSTEM}", "get", "secret", "mayfly-gateway-keys", "--output=json")
    pem = base64.b64decode(json.loads(secret)["data"]["tls.key"])
    return Signer(load_pem_private_key(pem, None))


@pytest.fixture
def unguarded(shared_account, instance):
    """The namespace without its policy."""
    policy = json.dumps(shared_account.get("networkpolicy", "mayfly-instances"))
    shared_account.kubectl("delete", "networkpolicy", "mayfly-instances")
    yield
    kept = json.loads(policy)
    kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "labels")}
    shared_account.apply(kept)


def reaches(pod, address, port, wanted):
    """Rules take a second or two to hold."""
    until(lambda: pod.tries("connects", address, port) is wanted, f"{pod.name} reaches {port}: {wanted}")


def test_no_stranger_connects_to_an_agent(instance, neighbour, foreigner):
    address = instance["status"]["podIP"]
    # A gateway has just called the function there.
    for pod in (neighbour, foreigner):
        reaches(pod, address, AGENT_PORT, False)


def test_no_stranger_connects_to_nats_or_the_operator(account, neighbour, foreigner):
    ports = [(address, port) for address in addresses("nats") for port in NATS_PORTS]
    ports += [(address, OPERATOR_PORT) for address in addresses("operator")]
    for pod in (neighbour, foreigner):
        # It is no matter of a network that is away.
        assert pod.tries("connects", *urlsplit(account.gateway).netloc.split(":"))
        assert not any(pod.tries("connects", *each) for each in ports)


def addresses(component):
    """Of the pods that are ready: their probes have found that they listen."""
    selector = f"--selector=app.kubernetes.io/component={component}"
    found = json.loads(kubectl(f"--namespace={SYSTEM}", "get", "pods", selector, "--output=json"))["items"]
    ready = [
        pod["status"]["podIP"]
        for pod in found
        for condition in pod["status"].get("conditions", ())
        if (condition["type"], condition["status"]) == ("Ready", "True")
    ]
    assert ready
    return ready


@pytest.mark.usefixtures("unguarded")
def test_without_policies_an_agent_gives_strangers_nothing_but_refusals(
    shared_account, instance, neighbour, foreigner, signer
):
    address, uid = instance["status"]["podIP"], instance["metadata"]["uid"]
    for pod in (neighbour, foreigner):
        reaches(pod, address, 8080, True)
        assert pod.tries("statuses", address, 8080, wrong(signer, uid)) == {path: [401] for path in ROUTES}
        assert refusals(pod.tries("garbage", address, 8080, 50))
    # The right key, and so the test's tokens are what they say.
    permit = f"Bearer {signer.permit(uid, BODY)}"
    assert neighbour.tries("status", address, 8080, "/specialise", permit) == 409
    assert shared_account.invoke("guarded", 2) == 2
    assert [pod["metadata"]["uid"] for pod in shared_account.pods("guarded")] == [uid]


def wrong(signer, uid):
    """Values of `Authorization` of which none lets anybody in."""
    good = signer.permit(uid, BODY)
    head, claims, signature = good.split(".")
    now = time.time()
    permits = [
        Signer(private_key()).permit(uid, BODY),
        signer.permit(str(uuid.uuid4()), BODY),
        signer.permit(uid, BODY, iat=now - 300, exp=now - 240),
        signer.permit(uid, BODY, iat=now + 240, exp=now + 300),
        signer.permit(uid, BODY, exp=now + 3600),
        signer.permit(uid, BODY, aud=None),
        signer.permit(uid, BODY, exp=None),
        signer.permit(uid, BODY, sub=None),
        signer.token(
            {"aud": uid, "iat": now, "exp": now + 60, "sub": "0" * 64}, {"alg": "none", "typ": "JWT"}
        ),
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{head}.{claims}.{signature[:-8]}AAAAAAA{signature[-1]}",
        f"{head}.{claims}x.{signature}",
    ]
    return ["", "Bearer", "Bearer x.y.z", f"Basic {good}", *(f"Bearer {each}" for each in permits)]


def test_a_bare_agent_is_nobodys_but_the_gateways(shared_account, neighbour, signer):
    """It has the gateways' public key and waits; no policy selects it."""
    uid = str(uuid.uuid4())
    told = {"MAYFLY_INSTANCE_UID": uid, "MAYFLY_PUBLIC_KEY": signer.modulus}
    bare = plain_pod(shared_account, "bare", images()["python3.13"], environment=told)
    address = bare.ip
    reaches(neighbour, address, 8080, True)
    another = f"Bearer {signer.permit(uid, b'another body')}"
    tokens = [*wrong(signer, uid), another]
    assert neighbour.tries("statuses", address, 8080, tokens) == {path: [401] for path in ROUTES}
    assert refusals(neighbour.tries("garbage", address, 8080, 50))
    # A right permit is let in as far as the body, which says nothing of use.
    permit = f"Bearer {signer.permit(uid, BODY)}"
    assert neighbour.tries("status", address, 8080, "/specialise", permit) == 400


def refusals(lines):
    """First lines of answers, or nothing where the agent hung up."""
    return {line.split()[1][:1] for line in lines if line} <= {"4"}
