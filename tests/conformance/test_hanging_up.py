"""A client that hangs up: on the function's side nothing is cancelled, and nothing is left behind."""

from tests.conformance.functions import declare
from tests.conformance.waiting import eventually

ABANDONED = declare("is-abandoned", handler="more.touch_later")
HELD = declare("is-held", handler="more.hold", timeout=30)


def test_the_function_goes_on_and_its_effect_is_seen(mayfly, tmp_path):
    done = tmp_path / "done"
    name = ABANDONED.name
    event = {"path": str(done), "seconds": 0.3}
    mayfly.hang_up(ABANDONED, event, when=lambda: mayfly.local().functions()[name]["running"] == 1)
    eventually(done.exists)
    eventually(lambda: mayfly.local().functions()[name]["running"] == 0)


def test_the_instance_serves_the_next_caller(mayfly, tmp_path):
    event = {"folder": str(tmp_path)}
    mayfly.hang_up(HELD, event, when=lambda: any(tmp_path.iterdir()))
    (tmp_path / "go").touch()
    eventually(lambda: mayfly.local().functions()[HELD.name]["running"] == 0)
    instances = mayfly.local().functions()[HELD.name]["instances"]
    answers = [mayfly.invoke(HELD, event) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert mayfly.local().functions()[HELD.name]["instances"] == instances == 1


def test_a_client_that_hangs_up_before_the_body_is_whole_calls_nothing(mayfly, tmp_path):
    ran = tmp_path / "ran"
    event = b'{"path": "%s", "seconds": 0}' % str(ran).encode()
    mayfly.hang_up_within(ABANDONED, event, sent=len(event) - 1)
    # The next call of the same function would come after it.
    after = tmp_path / "after"
    assert mayfly.invoke(ABANDONED, {"path": str(after), "seconds": 0}).status == 200
    assert after.exists()
    assert not ran.exists()
