"""Recourse of many people, a part at a time."""

import numpy as np
import pandas as pd
import pytest

from skcfq.estimators._chunks import row_chunks


def test_parts_together_are_the_whole(credit, fitted):
    parts = list(fitted.iter_recourse(credit.data, chunk_size=150))
    assert [len(part) for part in parts] == [150, 150, 150, 150]
    # The search ends within a hundred-thousandth of a change, where rounding decides.
    pd.testing.assert_frame_equal(pd.concat(parts), fitted.recourse(credit.data), rtol=1e-4)


def test_parts_of_an_iterator_are_taken_as_they_come(credit, fitted):
    given = (credit.data.iloc[i : i + 60] for i in (0, 60))
    parts = list(fitted.iter_recourse(given))
    pd.testing.assert_frame_equal(pd.concat(parts), fitted.recourse(credit.data.head(120)))


def test_nothing_is_solved_before_it_is_asked_for(credit, fitted):
    taken = []

    def people():
        for i in range(5):
            taken.append(i)
            yield credit.data.iloc[[i]]

    parts = fitted.iter_recourse(people())
    assert taken == []
    next(parts)
    assert taken == [0]


def test_progress_is_shown_if_asked_for(credit, fitted, capsys):
    list(fitted.iter_recourse(credit.data, chunk_size=200))
    assert capsys.readouterr().err == ""
    list(fitted.iter_recourse(credit.data, chunk_size=200, verbose=True))
    assert "600/600" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 2.5, True, "all"])
def test_wrong_size_is_an_error(credit, fitted, size):
    message = f"chunk_size={size!r}: a whole number >= 1 is needed."
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        next(fitted.iter_recourse(credit.data, chunk_size=size))


def test_arrays_are_cut_too_down_to_the_last_row():
    rows = np.arange(10).reshape(5, 2)
    parts = [part.tolist() for part in row_chunks(rows, 2)]
    assert parts == [rows[:2].tolist(), rows[2:4].tolist(), rows[4:].tolist()]
