"""Nothing is committed before all ahead of it is finished."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.kafkasource.offsets import Progress


@given(st.data())
def test_what_may_be_committed_is_where_the_first_unfinished_record_is(data: st.DataObject) -> None:
    offsets = sorted(data.draw(st.sets(st.integers(0, 200), max_size=40)))
    order = data.draw(st.permutations(offsets))
    progress = Progress(0)
    for offset in offsets:
        progress.received(offset)
    open_offsets = set(offsets)
    before = progress.committable
    for offset in order:
        progress.finished(offset)
        open_offsets.remove(offset)
        assert progress.unfinished == len(open_offsets)
        assert progress.committable >= before
        before = progress.committable
        finished = [each for each in offsets if each < min(open_offsets, default=201)]
        assert progress.committable == (finished[-1] + 1 if finished else 0)


def test_an_offset_that_goes_back_is_an_error() -> None:
    progress = Progress(5)
    progress.received(7)
    for wrong in (4, 7):
        with pytest.raises(ValueError, match="after a later one"):
            progress.received(wrong)
