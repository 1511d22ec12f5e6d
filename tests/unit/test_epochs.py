"""Which epoch begins after a restore."""

from __future__ import annotations

import pytest

from operations.epochs import MAX_EPOCHS_AHEAD, End


@pytest.mark.parametrize(
    ("position", "epoch", "after", "published", "expected"),
    [
        (100, 1, 0, 1, 2),
        (0, 1, 0, 1, 2),
        (100, 2, 100, 1, None),
        (0, 2, 0, 0, None),
        (100, 2, 100, 2, 3),
        (120, 2, 100, 2, 3),
        (100, 1, 0, 4, 5),
    ],
    ids=[
        "the first restore",
        "of a log without facts",
        "repeated",
        "repeated, of a log without facts",
        "restored again to the same end, after facts of the epoch were published",
        "restored again, behind facts of the epoch",
        "restored to a backup of before other restores",
    ],
)
def test_the_epoch_is_above_all_that_were_published_and_begins_once(
    position: int, epoch: int, after: int, published: int, expected: int | None
) -> None:
    assert End(position, None, epoch, after).next_epoch(published) == expected


def test_an_epoch_far_ahead_is_not_believed() -> None:
    assert End(1, None, 3, 0).is_plausible(3 + MAX_EPOCHS_AHEAD)
    assert not End(1, None, 3, 0).is_plausible(4 + MAX_EPOCHS_AHEAD)
