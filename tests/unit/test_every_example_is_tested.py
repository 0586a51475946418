"""No example without an event, no event without the answer that tests on both backends compare with."""

import pytest
from tests.example_answers import EXAMPLES, IS_RIGHT, events, function_of, manifests

from mayfly_model.manifest import parse_manifests

NAMES = sorted(manifests())


def functions(name):
    path = manifests()[name]
    return [each.function for each in parse_manifests(path.read_text(), source=str(path)).functions]


def test_every_event_is_an_examples_and_has_its_answer():
    assert events() == sorted(IS_RIGHT)
    assert {function_of(event) for event in events()} == set(NAMES)


def test_the_demonstration_shows_every_event():
    shown = (EXAMPLES / "demo.py").read_text()
    assert [event for event in events() if f'"{event}"' not in shown] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_one_function_of_its_name_with_a_line_in_the_overview(name):
    assert [each.metadata.name for each in functions(name)] == [name]
    path = manifests()[name]
    link = path.name if path.parent == EXAMPLES else f"{path.parent.name}/"
    assert f"[{name}]({link})" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_kubectl_alone_takes_an_example_unless_its_code_must_be_uploaded(name):
    (function,) = functions(name)
    uploaded = function.spec.code.directory is not None or function.spec.code.zip_file is not None
    # What `kubectl apply -f examples/` reads: files at the top, and no folder below.
    assert (manifests()[name].parent == EXAMPLES) == (not uploaded)


def test_nothing_at_the_top_keeps_kubectl_from_applying_the_folder():
    read = {path.name for path in EXAMPLES.iterdir() if path.suffix in {".json", ".yaml", ".yml"}}
    assert read == {path.name for path in manifests().values() if path.parent == EXAMPLES}
