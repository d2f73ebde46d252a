"""Crews: results in order, whoever solves the tasks and whoever is killed on the way."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lethal import DOUBLES, OR_ELSE, Number

from data.errors import EngineError, InputError
from solver.crew.crew import AHEAD, BATCH, Crew
from solver.crew.parts import solve_in_parts
from solver.crew.versions import difference, versions
from solver.crew.work import Work


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Start processes as soon as two tasks are solved."""
    monkeypatch.setattr("solver.crew.crew.START_S", -1.0)


def answers(folder, tasks, jobs, work=DOUBLES):
    with Crew(work, str(folder), jobs) as crew:
        return [value for value, _ in crew.solve(tasks)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_are_counted(tmp_path, jobs):
    counted = []
    with Crew(DOUBLES, str(tmp_path), jobs) as crew:
        found = list(crew.solve(map(Number, range(300)), counted.append))
    assert [value for value, _ in found] == list(range(0, 600, 2))
    assert sum(counted) == crew.solved == 300


def test_a_killed_process_costs_no_result(tmp_path):
    tasks = [Number(i, kills=int(i == 40)) for i in range(100)]
    assert answers(tmp_path, tasks, 2) == list(range(0, 200, 2))
    assert [p.name for p in tmp_path.iterdir()] == ["40-0"]


def test_a_task_that_kills_every_process_is_told(tmp_path):
    tasks = [Number(i, kills=99 * int(i == 7)) for i in range(30)]
    with pytest.raises(EngineError, match="number 7: every worker that solves it is killed"):
        answers(tmp_path, tasks, 2)


def test_a_task_that_kills_every_process_may_have_something_in_its_place(tmp_path):
    tasks = [Number(i, kills=99 * int(i == 7)) for i in range(30)]
    found = answers(tmp_path, tasks, 2, OR_ELSE)
    assert found == [-7 if i == 7 else 2 * i for i in range(30)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_refused_task_ends_it_after_those_before(tmp_path, jobs):
    found = []
    with Crew(DOUBLES, str(tmp_path), jobs) as crew, pytest.raises(InputError, match="number 5"):
        found.extend(crew.solve(Number(i, refused=i == 5) for i in range(50)))
    # extend keeps what came before the error
    assert found == [(2 * i, "") for i in range(5)]


def test_tasks_are_taken_a_bounded_number_ahead(tmp_path):
    taken = itertools.count()
    tasks = (Number(next(taken)) for _ in range(100_000))
    with Crew(DOUBLES, str(tmp_path), 2) as crew:
        for _, _ in zip(range(3), crew.solve(tasks), strict=False):
            pass
    assert next(taken) <= 3 + 2 * AHEAD * BATCH + 1


def _same(ground: None, task: int) -> int:
    return task


@settings(deadline=None, max_examples=50)
@given(parts=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=7), max_size=6))
def test_parts_come_back_in_the_order_of_their_tasks(parts):
    """Solved by their last digit, and yet each part is as it was given."""
    crew = Crew(Work(_same, str), None, 1)
    assert list(solve_in_parts(crew, parts, lambda task: str(-task))) == parts


def test_alike_tasks_follow_each_other():
    solved = []

    def note(ground, task):
        solved.append(task)
        return task

    crew = Crew(Work(note, str), None, 1)
    parts = [["b1", "a1", "b2", "a2"], ["b3", "a3"]]
    assert list(solve_in_parts(crew, parts, lambda task: task[0])) == parts
    assert solved == ["a1", "a2", "b1", "b2", "a3", "b3"]


def test_versions_that_differ_are_named():
    mine = dict(versions())
    assert difference(mine, mine) == ""
    assert difference(mine, {**mine, "numpy": "1.0"}) == f"numpy {mine['numpy']} here and 1.0 there"
    code = "minfleet's code"
    assert difference(mine, {**mine, code: "0"}) == f"{code} {mine[code]} here and 0 there"
    both = difference(mine, {**mine, code: "0", "numpy": "1.0"})
    assert both == f"numpy {mine['numpy']} here and 1.0 there"
