"""Pages: everything once, in order, whatever comes and goes meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.lambda_api.paging import PAGE, page
from mayfly_model.errors import InvalidParameterValueException

names = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=150).map(sorted)


def pages(items, most=None):
    marker = None
    while True:
        given_, marker = page(items, str, marker=marker, most=most)
        yield given_
        if marker is None:
            return


@given(items=names, most=st.integers(1, 200) | st.none())
def test_all_pages_together_are_the_list(items, most):
    found = list(pages(items, most))
    assert [item for each in found for item in each] == items
    assert all(len(each) <= min(most or PAGE, PAGE) for each in found)


@given(items=names, gone=st.data())
def test_an_item_that_goes_meanwhile_takes_no_other_with_it(items, gone):
    first, marker = page(items, str, marker=None, most=3)
    if marker is None:
        return
    left = [item for item in items if item not in gone.draw(st.sets(st.sampled_from(items)))]
    rest = [item for each in pages_after(left, marker) for item in each]
    assert [*first, *rest] == [*first, *(item for item in left if item not in first)]


def pages_after(items, marker):
    while marker is not None:
        found, marker = page(items, str, marker=marker, most=3)
        yield found


@pytest.mark.parametrize("marker", ["***", "a", "ä", "x" * 1000, "/w=="])
def test_a_marker_that_was_never_given_is_refused(marker):
    with pytest.raises(InvalidParameterValueException):
        page(["a"], str, marker=marker, most=None)
