"""smvl/packing/row_order: every row once in a pass, none twice in an epoch, and an order goes on exactly where it was left."""

import json
import random

import pytest

from smvl.packing.row_order import RowOrder


def draw(order: RowOrder, count: int) -> list[int]:
    return [order.next()[0] for _ in range(count)]


def test_each_pass_holds_every_row_once_in_another_order():
    order = RowOrder(50, [7])
    passes = [draw(order, 50) for _ in range(3)]
    assert all(sorted(rows) == list(range(50)) for rows in passes)
    assert passes[0] != passes[1] != passes[2]


def test_it_says_how_often_a_row_has_come_before():
    order = RowOrder(3, [7])
    assert [times for _, times in (order.next() for _ in range(7))] == [0, 0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_no_row_comes_twice_in_an_epoch_wherever_epochs_begin(seed):
    generator, order, rows = random.Random(seed), RowOrder(11, [seed]), []
    for _ in range(30):
        order.begin_epoch()
        of_epoch = draw(order, generator.randint(1, 11))
        assert len(set(of_epoch)) == len(of_epoch)
        rows += of_epoch
    assert all(sorted(rows[start : start + 11]) == list(range(11)) for start in range(0, len(rows) - 10, 11))


def test_an_epoch_is_spent_when_it_has_had_every_row():
    order = RowOrder(4, [0])
    draw(order, 3)
    order.begin_epoch()
    draw(order, 3)
    assert not order.is_spent
    draw(order, 1)
    assert order.is_spent
    order.begin_epoch()
    assert not order.is_spent


@pytest.mark.parametrize("cut", [0, 1, 5, 11, 12, 40, 99])
def test_an_order_goes_on_exactly(cut):
    def run(order: RowOrder, numbers: range) -> list[int]:
        rows = []
        for number in numbers:
            if number % 9 == 0:
                order.begin_epoch()
            rows += draw(order, 1)
        return rows

    order, whole = RowOrder(11, [3]), run(RowOrder(11, [3]), range(150))
    first = run(order, range(cut))
    state = json.loads(json.dumps(order.state()))
    assert first + run(RowOrder(11, [3]).restore(state), range(cut, 150)) == whole


def test_a_source_that_ends_its_epochs_keeps_no_history():
    order = RowOrder(5, [3])
    for _ in range(100):
        order.begin_epoch()
        draw(order, 5)
    assert order.state() == {"num_drawn": 500, "epoch_start": 495, "first_pass": 99, "recent": []}
