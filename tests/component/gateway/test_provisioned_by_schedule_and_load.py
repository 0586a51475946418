"""Provisioned concurrency of an alias follows its windows and the load, and stays as it is when the gateway changes."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.component.gateway.replicas import two

from mayfly_gateway.rollout import Said
from mayfly_gateway.routes import Route
from mayfly_model.provisioned_scaling import ProvisionedConcurrencyScaling

ALIAS = "hello:live"
LIVE = ("default", "hello", "live")
HOLD = json.dumps({"do": "hold"})
MINUTE = 60.0
DAY = {
    "name": "day",
    "schedule": "cron(0 8 ? * MON-FRI *)",
    "timezone": "Europe/Zurich",
    "durationMinutes": 600,
    "provisionedConcurrentExecutions": 3,
}
TRACKING = {"targetValue": 0.5, "minCapacity": 2, "maxCapacity": 6}


def route(version="1", number=None, **scaling):
    return Route(version, None, 0.0, number, ProvisionedConcurrencyScaling.model_validate(scaling))


def offer(world, number=None, *, reserved=None, **scaling):
    world.deploy(version="1", digest="1", keepAlive=0)
    if reserved is not None:
        world.deploy(version="$LATEST", digest="2", reservedConcurrentExecutions=reserved)
    world.gateway.catalogue.route(*LIVE, route(number=number, **scaling), said=Said(plan=None, generation=1))


def wanted(world):
    return world.gateway.catalogue.provisioned("default", "hello").get("1", 0)


def ready(world, version="1"):
    """How many instances are initialised of those that are asked for."""
    target = world.gateway.catalogue.resolve("default", "hello", version)
    state = world.gateway.provisioning.state(target)
    return 0 if state is None else state.available


def reason(world):
    return world.gateway.scaling.decided(LIVE).reason


def pass_time(world, clock, seconds):
    clock.now += seconds
    world.gateway.scaling.refresh()


def zurich(clock, text):
    clock.now = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Zurich")).timestamp()


async def busy(world, calls):
    """So many calls at once, which go on."""
    for _ in range(calls):
        client = await world.client()
        client.invoke(HOLD, name=ALIAS)
    await world.until(lambda: len(world.agents.holding) == calls)


async def be_done(world):
    for agent in world.agents.holding:
        agent.release()
    await world.until(lambda: world.gateway.dispatcher.running(LIVE[:2]) == 0)


async def test_a_window_that_opens_initialises_instances_and_its_end_ends_them(world, clock):
    zurich(clock, "2026-03-02T07:59:59")
    offer(world, scheduledActions=[DAY])
    assert wanted(world) == 0
    pass_time(world, clock, 1)
    await world.until(lambda: ready(world) == 3)
    assert world.agents.initialisations == ["provisioned-concurrency"] * 3
    pass_time(world, clock, 600 * MINUTE - 1)
    assert wanted(world) == 3
    pass_time(world, clock, 1)
    assert wanted(world) == 0
    await world.until(lambda: len(world.agents.destroyed) == 3)


async def test_a_window_opens_by_itself(world, clock):
    zurich(clock, "2026-03-02T07:59:59.9")
    offer(world, 1, scheduledActions=[DAY])
    assert wanted(world) == 1
    clock.now += 0.1
    await world.until(lambda: ready(world) == 3)


async def test_what_is_decided_is_told_once_to_be_written_down(world, clock):
    zurich(clock, "2026-03-02T12:00")
    offer(world, 1, scheduledActions=[DAY])
    ((key, _, decided),) = world.scaled
    assert (key, decided.instances, decided.reason) == (LIVE, 3, "ScheduledAction")
    assert decided.message == "The window day is open."
    written = Said(plan=None, generation=1, scaled=decided)
    world.gateway.catalogue.route(*LIVE, route(number=1, scheduledActions=[DAY]), said=written)
    pass_time(world, clock, MINUTE)
    assert len(world.scaled) == 1
    world.gateway.catalogue.route(*LIVE, Route("1", None, 0.0, 1), said=written)
    assert world.scaled[-1] == (LIVE, written, None)
    assert wanted(world) == 1


async def test_three_busy_minutes_ask_for_more_and_fifteen_idle_ones_for_fewer(world, clock):
    offer(world, targetTracking=TRACKING)
    await world.until(lambda: ready(world) == 2)
    pass_time(world, clock, MINUTE)
    await busy(world, 2)
    for expected in (2, 2, 4):
        pass_time(world, clock, MINUTE)
        assert wanted(world) == expected
    assert reason(world) == "TargetTracking"
    await world.until(lambda: ready(world) == 4)
    await be_done(world)
    # The calls were there until within this minute.
    pass_time(world, clock, MINUTE)
    for _ in range(14):
        pass_time(world, clock, MINUTE)
        assert wanted(world) == 4
    pass_time(world, clock, MINUTE)
    assert (wanted(world), reason(world)) == (2, "MinCapacity")
    await world.until(lambda: len(world.agents.destroyed) == 2)


async def test_a_call_that_is_over_within_its_minute_counts(world, clock):
    offer(world, targetTracking=TRACKING)
    await world.until(lambda: ready(world) == 2)
    pass_time(world, clock, MINUTE)
    for expected in (2, 2, 4):
        await busy(world, 2)
        await be_done(world)
        pass_time(world, clock, MINUTE)
        assert wanted(world) == expected


async def test_a_minute_that_ends_while_it_is_looked_at_is_measured(world, clock):
    offer(world, targetTracking=TRACKING)
    await world.until(lambda: ready(world) == 2)
    await busy(world, 2)
    for _ in range(4):
        # A timer came a little early, and what it did took a little longer.
        clock.step = 0.002
        pass_time(world, clock, MINUTE - 0.001 - clock.now % MINUTE)
        looks = clock.looks
        await world.until(lambda looks=looks: clock.looks > looks)
    assert wanted(world) == 4


async def test_what_spills_over_is_not_in_use_of_what_is_provisioned(world, clock):
    offer(world, targetTracking={**TRACKING, "maxCapacity": 100})
    await world.until(lambda: ready(world) == 2)
    pass_time(world, clock, MINUTE)
    await busy(world, 9)
    for _ in range(3):
        pass_time(world, clock, MINUTE)
    assert wanted(world) == 4


async def test_instances_that_are_not_there_yet_are_not_asked_for_again(world, clock):
    offer(world, targetTracking={**TRACKING, "maxCapacity": 100})
    await world.until(lambda: ready(world) == 2)
    pass_time(world, clock, MINUTE)
    world.agents.launching.clear()
    await busy(world, 2)
    for _ in range(6):
        pass_time(world, clock, MINUTE)
    assert wanted(world) == 4
    world.agents.launching.set()


async def test_no_more_is_kept_than_is_reserved_and_less_than_that_at_once(world, clock):
    zurich(clock, "2026-03-02T12:00")
    offer(world, reserved=2, scheduledActions=[DAY])
    assert wanted(world) == 2
    world.deploy(version="$LATEST", digest="2", reservedConcurrentExecutions=1)
    assert wanted(world) == 1
    world.deploy(version="$LATEST", digest="2")
    assert wanted(world) == 3


async def test_a_moved_alias_takes_the_number_along(world, clock):
    zurich(clock, "2026-03-02T12:00")
    offer(world, scheduledActions=[DAY])
    await world.until(lambda: ready(world) == 3)
    world.deploy(version="2", digest="22", keepAlive=0)
    world.gateway.catalogue.route(
        *LIVE, route("2", scheduledActions=[DAY]), said=Said(plan=None, generation=2)
    )
    await world.until(lambda: ready(world, "2") == 3)
    await world.until(lambda: len(world.agents.destroyed) == 3)


async def test_an_alias_that_is_gone_wants_nothing(world, clock):
    zurich(clock, "2026-03-02T12:00")
    offer(world, scheduledActions=[DAY])
    await world.until(lambda: ready(world) == 3)
    world.gateway.catalogue.route(*LIVE, None)
    assert wanted(world) == 0
    assert world.gateway.scaling.decided(LIVE) is None


class Written:
    """Keeps what is written down, and tells every gateway of it, as watches do."""

    def __init__(self):
        self.worlds = []
        self.decided = None

    def write(self, key, said, decided):
        self.decided = decided

    def tell(self):
        for world in self.worlds:
            said = Said(plan=None, generation=1, scaled=self.decided)
            world.gateway.catalogue.route(*LIVE, route(targetTracking=TRACKING), said=said)


@pytest.fixture
async def pair(tmp_path_factory, clock):
    """Two gateways, the owner of the function first, and what is written down."""
    written = Written()
    async with two(tmp_path_factory, on_scaled=written.write, clock=clock, account_limit=20) as found:
        written.worlds = [found.owner, found.other]
        for replica in found.both:
            replica.deploy()
            replica.deploy(version="1", digest="1")
        written.tell()
        yield found.owner, found.other, written


async def test_the_next_owner_keeps_as_many_as_the_last_one_and_measures_anew(pair, clock):
    owner, other, written = pair
    await owner.until(lambda: ready(owner) == 2)
    pass_time(owner, clock, MINUTE)
    await busy(owner, 2)
    for _ in range(3):
        pass_time(owner, clock, MINUTE)
    assert (wanted(owner), written.decided.instances) == (4, 4)
    written.tell()
    assert wanted(other) == 4
    assert other.agents.number == 0
    other.ownership.set_peers([other.peer])
    assert wanted(other) == 4
    await other.until(lambda: ready(other) == 4)
    for _ in range(15):
        pass_time(other, clock, MINUTE)
        assert wanted(other) == 4
    assert written.decided.instances == 4
    pass_time(other, clock, MINUTE)
    assert wanted(other) == 2
