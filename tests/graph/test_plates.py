"""Repetitions in a text of operations, against definitions written out naively."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_init.graph import plates as module
from tinygrad_init.graph.plates import Pattern, Text, Token, laid_out, operations, plates

Letter = tuple[str, tuple[int, ...]]  #: a name, and where arguments come from; below 0: outside


def text(letters: Sequence[Letter]) -> Text:
    names = sorted({name for name, _ in letters})
    sources = [one for _, some in letters for one in some]
    first = np.cumsum([0, *(len(some) for _, some in letters)])
    return Text(
        np.array([names.index(name) for name, _ in letters]),
        np.arange(len(letters) + 1), first, np.array(sources, np.intp),
    )  # fmt: skip


def found(letters: Sequence[Letter], least: int = 3) -> list[Token]:
    return plates(text(letters), least)


def shown(letters: Sequence[Letter], tokens: Sequence[Token]) -> str:
    """``x(ab)3y``; a plate in which each turn needs the one before has a star."""
    return "".join(
        f"({shown(letters, one.turn)}){one.times}{'*' * one.in_a_row}" if one.turn
        else letters[one.first][0]
        for one in tokens
    )  # fmt: skip


def read(letters: Sequence[Letter], least: int = 3) -> str:
    return shown(letters, found(letters, least))


def all_plates(tokens: Sequence[Token]) -> Iterator[Token]:
    for one in tokens:
        if one.turn:
            yield one
            yield from all_plates(one.turn)


def relation(source: int, plate: Token, turn: int, length: int) -> tuple[str, int]:
    """Where an argument of a plate comes from, seen from its turn."""
    if source < plate.first:
        return "outside", 0
    its_turn, place = divmod(source - plate.first, length)
    return {turn: "this turn", turn - 1: "turn before"}.get(its_turn, "another"), place


class TestFound:
    def test_side_by_side(self) -> None:
        assert read([("x", ()), *[("a", (0,))] * 5, ("y", (1, 5))]) == "x(a)5y"

    def test_in_a_row(self) -> None:
        assert read([("a", (k - 1,)) for k in range(5)]) == "(a)5*"

    def test_too_few(self) -> None:
        assert read([("a", (k - 1,)) for k in range(2)]) == "aa"
        assert read([("a", (k - 1,)) for k in range(3)], least=4) == "aaa"

    def test_a_loop_of_several(self) -> None:
        """s = f(g(s)) from s = x."""
        steps = [("g" if k % 2 else "f", (k,)) for k in range(1, 9)]
        assert read([("x", ()), ("x0", (0,)), *[("fg"[k % 2], (k + 1,)) for k in range(8)]]) == (
            "xx0(fg)4*"
        )
        assert len(steps) == 8

    def test_a_loop_in_a_loop(self) -> None:
        letters: list[Letter] = [("x", ())]
        last = 0
        for _ in range(3):
            for _ in range(4):
                letters.append(("a", (last,)))
                last += 1
            letters.append(("b", (last,)))
            last += 1
        assert read(letters) == "x((a)4*b)3*"

    def test_a_sum_of_terms(self) -> None:
        terms = [("t", (-1,)) for _ in range(6)]
        sums = [("+", (5 + k if k else -2, k)) for k in range(6)]
        assert read([*terms, *sums]) == "(t)6(+)6*"

    def test_terms_are_made_while_they_are_added(self) -> None:
        letters = []
        for k in range(6):
            letters += [("t", (-1,)), ("+", (2 * k - 1 if k else -2, 2 * k))]
        assert read(letters) == "(t+)6*"

    def test_the_turn_before_the_last_is_too_far(self) -> None:
        """Fibonacci's numbers repeat every two: each turn then needs only the one before."""
        letters = [("+", (k - 2, k - 1)) for k in range(8)]
        assert read(letters) == "(++)4*"

    def test_a_pairwise_sum_is_no_row(self) -> None:
        """8 numbers, then 4 sums of these, 2 of these, and 1."""
        sums = [("+", (-1 - 2 * k, -2 - 2 * k)) for k in range(4)]
        assert read([*sums, ("+", (0, 1)), ("+", (2, 3)), ("+", (4, 5))]) == "(+)4+++"

    def test_another_place_in_the_same_turn_parts(self) -> None:
        letters: list[Letter] = []
        for k in range(6):
            letters += [("a", (-1,)), ("b", (-2,)), ("c", (3 * k + (k == 3),))]
        assert read(letters) == "(abc)3abcabcabc"

    def test_a_first_turn_that_is_wired_otherwise_is_apart(self) -> None:
        letters: list[Letter] = []
        for k in range(6):
            letters += [("a", (-1,)), ("b", (2 * k if k else -2,))]
        assert read(letters) == "ab(ab)5"

    def test_letters_that_come_early_do_not_hide_a_loop(self) -> None:
        letters = [("a", (-1,)), *[("ab"[k % 2], (k,)) for k in range(8)]]
        assert read(letters).count("4") == 1

    def test_without_arguments(self) -> None:
        assert read([("a", ())] * 4) == "(a)4"
        assert found([]) == []


names = st.sampled_from("ab")


@st.composite
def programs(draw: st.DrawFn) -> list[Letter]:
    """Anything: letters with arguments from anywhere before."""
    letters: list[Letter] = []
    for place in range(draw(st.integers(0, 40))):
        arity = {"a": 1, "b": 2}[name := draw(names)]
        sources = [draw(st.integers(-2, place - 1)) for _ in range(arity)]
        letters.append((name, tuple(sources)))
    return letters


@given(programs())
def test_what_is_called_a_plate_is_one(letters: list[Letter]) -> None:
    """Equal letters, and every argument from the same place, in each of the turns."""
    tokens = found(letters)
    assert [k for one in tokens for k in range(one.first, one.last)] == list(range(len(letters)))
    for plate in all_plates(tokens):
        length = (plate.last - plate.first) // plate.times
        assert length * plate.times == plate.last - plate.first
        assert plate.times >= 3
        is_carried = False
        for place in range(length):
            at = [letters[plate.first + turn * length + place] for turn in range(plate.times)]
            assert len({name for name, _ in at}) == 1
            for k in range(len(at[0][1])):
                seen = [
                    relation(sources[k], plate, turn, length)
                    for turn, (_, sources) in enumerate(at)
                ]
                assert all(kind != "another" for kind, _ in seen)
                is_carried |= seen[1][0] == "turn before"
                if seen[1][0] == "turn before":  # what starts a loop comes from outside
                    assert seen[0][0] == "outside"
                    seen = seen[1:]
                assert len(set(seen)) == 1
        assert plate.in_a_row == is_carried


@given(st.integers(1, 6), st.integers(3, 9), st.data())
def test_a_loop_that_was_written_is_found(period: int, times: int, data: st.DataObject) -> None:
    """Different letters, each with one argument of this turn, the one before, or from outside."""
    start = data.draw(st.integers(0, 3))
    letters: list[Letter] = [(f"before {k}", ()) for k in range(start)]
    wiring = []
    for place in range(period):
        choices = [("outside", 0)] + [("before", k) for k in range(period)]
        wiring.append(data.draw(st.sampled_from(choices + [("this", k) for k in range(place)])))
    for turn in range(times):
        for place, (kind, other) in enumerate(wiring):
            source = start + (turn - (kind == "before")) * period + other
            is_outside = kind == "outside" or (kind == "before" and turn == 0)
            letters.append((f"letter {place}", (-1 if is_outside else source,)))
    letters.append(("after", (len(letters) - 1,)))
    (plate,) = (one for one in found(letters) if one.turn)
    assert (plate.first, plate.last, plate.times) == (start, start + period * times, times)
    assert plate.in_a_row == any(kind == "before" for kind, _ in wiring)


def one_each(first: int, last: int) -> list[Pattern]:
    return [operations(last - first)]


class TestSlots:
    def pattern(self, letters: Sequence[Letter]) -> Pattern:
        return laid_out(found(letters), one_each)

    def test_single_operations(self) -> None:
        pattern = self.pattern([("x", ()), ("a", (0,)), ("y", (1,))])
        assert pattern.slots.tolist() == [0, 1, 2]
        assert pattern.layout() == ([], [], [1, 1, 1], [False] * 3)

    def test_a_row_of_one_is_no_box(self) -> None:
        pattern = self.pattern([("x", ()), *(("a", (k,)) for k in range(4)), ("y", (4,))])
        assert pattern.slots.tolist() == [0, 1, 1, 1, 1, 2]
        assert pattern.turns.tolist() == [[0, 0, 1, 2, 3, 0]]
        layout = pattern.layout()
        assert layout.boxes == []
        assert layout.times == [1, 4, 1]
        assert layout.in_a_row == [False, True, False]

    def test_a_loop_in_a_loop(self) -> None:
        letters: list[Letter] = [("x", ())]
        last = 0
        for _ in range(3):
            letters += [("a", (last + k,)) for k in range(4)] + [("b", (last + 4,))]
            last += 5
        pattern = self.pattern(letters)
        assert pattern.slots.tolist() == [0, *[1, 1, 1, 1, 2] * 3]
        assert pattern.turns.tolist() == [
            [0, *[0] * 5, *[1] * 5, *[2] * 5], [0, *[0, 1, 2, 3, 0] * 3],
        ]
        layout = pattern.layout()
        assert layout.boxes == [(1, 3, -1, False, 3, True)]
        assert layout.plates == [(1, 3, 0), (1, 2, 1)]
        assert layout.times == [1, 4, 1]

    def test_rows_side_by_side_are_in_a_box(self) -> None:
        """Four rows of four: 16 in a row would be something else."""
        letters: list[Letter] = [("x", ())]
        for row in range(4):
            letters += [("a", (4 * row + k if k else 0,)) for k in range(4)]
        assert read(letters) == "x((a)4*)4"
        layout = self.pattern(letters).layout()
        assert layout.boxes == [(1, 2, -1, False, 4, False)]
        assert (layout.times, layout.in_a_row) == ([1, 4], [False, True])
        assert layout.plates == [(1, 2, 0), (1, 2, 1)]

    @given(programs())
    def test_an_operation_has_the_slot_of_the_first_turn(self, letters: list[Letter]) -> None:
        tokens = found(letters)
        if not tokens:
            return
        slots = laid_out(tokens, one_each).slots
        for plate in all_plates(tokens):
            length = (plate.last - plate.first) // plate.times
            turns = slots[plate.first : plate.last].reshape(plate.times, length)
            assert (turns == turns[0]).all()
        names_of: dict[int, set[str]] = {}
        for slot, (name, _) in zip(slots.tolist(), letters, strict=True):
            names_of.setdefault(slot, set()).add(name)
        assert all(len(one) == 1 for one in names_of.values())
        assert sorted(names_of) == list(range(len(names_of)))


class TestCost:
    @pytest.mark.parametrize("kind", ["row", "random", "same letters"])
    def test_looks_at_each_letter_a_few_times(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Counted are the tries, since each may cost as much as the turns that it compares."""
        rng = np.random.default_rng(0)
        count = 20_000
        kinds: dict[str, list[Letter]] = {
            "row": [("a", (k - 1,)) for k in range(count)],
            "random": [("abc"[k % 3 if k % 7 else 0], (int(rng.integers(-1, k + 1)) - 1,))
                       for k in range(count)],
            "same letters": [("a", (int(rng.integers(max(0, k - 50), k + 1)) - 1,))
                             for k in range(count)],
        }  # fmt: skip
        letters = kinds[kind]
        tries = 0
        search = module._Search._turns

        def counted(*args: int) -> tuple[int, bool]:
            nonlocal tries
            tries += 1
            return search(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(module._Search, "_turns", counted)
        found(letters)
        assert tries <= module.MAX_FAILURES + count // 3
