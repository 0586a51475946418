"""What a command cannot do with the name that it was given it says at once, and all find the gateway alike."""

import pytest
from tests.component.cli.local_mode import mayfly


@pytest.mark.parametrize("name", ["hello:2", "arn:aws:lambda:local:shop:function:hello:live"])
def test_the_log_of_a_version_is_said_to_be_the_functions(name):
    done = mayfly("logs", name, COLUMNS="400")
    assert done.returncode == 2
    assert f"{name} is no name of a function: one log holds all versions." in done.stderr
    assert done.stderr.rstrip().endswith("mayfly logs hello.")


@pytest.mark.parametrize("command", ["invoke", "publish", "logs"])
@pytest.mark.parametrize("option", ["--endpoint", "--gateway"])
def test_every_command_takes_both_words_for_the_gateway(command, option):
    done = mayfly(command, "hello", option, "http://127.0.0.1:1", COLUMNS="400")
    assert done.returncode == 2
    assert "No gateway answers at http://127.0.0.1:1" in done.stderr
