"""Who owns a function is agreed on by all, moves as little as it can, and follows the cluster's word."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.peers.endpoints import ready_peers
from mayfly_gateway.peers.ownership import Ownership, Peer

UIDS = st.lists(st.text("abcdef0123456789", min_size=1, max_size=6), min_size=1, max_size=6, unique=True)
FUNCTIONS = [("shop", f"function-{number}") for number in range(60)]


def peer(uid: str) -> Peer:
    return Peer(uid, ("10.0.0.1", 8080))


def seen_by(uid: str, uids: list[str]) -> Ownership:
    ownership = Ownership(uid)
    ownership.set_peers(map(peer, uids))
    return ownership


@given(UIDS)
def test_every_function_has_exactly_one_owner_and_all_agree(uids):
    replicas = [seen_by(uid, uids) for uid in uids]
    for function in FUNCTIONS:
        owners = {
            (replica.owner(function) or peer(uid)).uid for uid, replica in zip(uids, replicas, strict=True)
        }
        assert len(owners) == 1
        assert sum(replica.owns(function) for replica in replicas) == 1


@given(UIDS, st.data())
def test_only_the_functions_of_one_that_went_move(uids, data):
    gone = data.draw(st.sampled_from(uids))
    before, after = seen_by("me", uids), seen_by("me", [uid for uid in uids if uid != gone])
    for function in FUNCTIONS:
        owner = before.owner(function)
        assert owner is not None
        if owner.uid != gone:
            assert after.owner(function) == owner


def test_functions_spread_over_the_replicas():
    replica = seen_by("a", ["a", "b", "c"])
    owned = [function for function in [("n", str(number)) for number in range(900)] if replica.owns(function)]
    assert 240 < len(owned) < 360


def test_functions_that_come_and_go_take_no_memory():
    replica = Ownership("a", remembered=10)
    for number in range(25):
        replica.owner(("n", str(number)))
        assert len(replica._owners) <= 10


def test_one_that_knows_of_nobody_owns_everything():
    assert Ownership("a").owns(("n", "f"))


def test_one_that_is_not_ready_owns_nothing():
    assert seen_by("a", ["b"]).owner(("n", "f")) == peer("b")


async def test_one_that_cannot_be_reached_is_left_out_until_it_is_reported_anew():
    ownership, changes = seen_by("a", ["a", "b"]), []
    ownership.on_change(lambda: changes.append(1))
    function = next(function for function in FUNCTIONS if not ownership.owns(function))
    ownership.suspect(peer("b"))
    ownership.suspect(peer("b"))
    assert ownership.owns(function) and changes == [1]
    ownership.set_peers([peer("a")])
    ownership.set_peers([peer("a"), peer("b")])
    assert not ownership.owns(function)
    ownership.suspect(Peer("b", ("10.9.9.9", 1)))
    assert not ownership.owns(function)
    ownership.close()
    assert len(asyncio.all_tasks()) == 1


def endpoint(uid: str, address: str, **conditions) -> dict:
    return {"addresses": [address], "targetRef": {"uid": uid}, "conditions": conditions}


def test_the_ready_ones_are_read_from_endpoint_slices():
    slices = [
        {
            "ports": [{"name": "metrics", "port": 9}, {"name": "http", "port": 8080}],
            "endpoints": [
                endpoint("b", "10.0.0.2", ready=True, serving=True, terminating=False),
                endpoint("c", "10.0.0.3", ready=False, serving=True, terminating=True),
                endpoint("d", "10.0.0.4", ready=True, terminating=True),
                {"addresses": ["10.0.0.5"], "conditions": {"ready": True}},
            ],
        },
        {"ports": [{"name": "http", "port": 8080}], "endpoints": [endpoint("a", "10.0.0.1")]},
        {"ports": None, "endpoints": [endpoint("e", "10.0.0.6")]},
        {"ports": [{"name": "http", "port": 8080}], "endpoints": None},
    ]
    assert ready_peers(slices, port_name="http") == (
        Peer("a", ("10.0.0.1", 8080)),
        Peer("b", ("10.0.0.2", 8080)),
    )
    assert ready_peers([], port_name="http") == ()
