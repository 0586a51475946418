"""A runtime is known by AWS's identifier, and a near miss is told what it missed."""

import botocore.loaders
import pytest

from mayfly_model.runtimes import RUNTIMES, Runtime, UnknownRuntimeError, find_runtime

MODEL = botocore.loaders.Loader().load_service_model("lambda", "service-2")


def test_every_runtime_is_one_of_awss():
    assert set(RUNTIMES) <= set(MODEL["shapes"]["Runtime"]["enum"])


@pytest.mark.parametrize(
    "runtime",
    [
        Runtime("python3.11", "python", "3.11"),
        Runtime("python3.14", "python", "3.14"),
        Runtime("nodejs22.x", "nodejs", "22"),
        Runtime("provided.al2023", "provided", "al2023"),
    ],
)
def test_an_identifier_says_family_and_version(runtime):
    assert find_runtime(runtime.name) == runtime


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("pyhton3.13", "python3.13"),
        ("Python3.12", "python3.12"),
        ("python3.10", "python3.11"),
        ("python3.99", "python3.14"),
        ("nodejs18.x", "nodejs20.x"),
        ("node22", "nodejs22.x"),
        ("provided", "provided.al2023"),
    ],
)
def test_a_near_miss_is_told_the_right_name(name, near):
    with pytest.raises(UnknownRuntimeError, match=f"^did you mean {near}[?] allowed: python3.11, "):
        find_runtime(name)


def test_a_far_miss_is_told_all_names():
    with pytest.raises(UnknownRuntimeError, match=r"^allowed: .*provided.al2023$"):
        find_runtime("cobol")
