"""The fields that the form is made of: each edits one path of the content and tells of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement
from nicegui.events import GenericEventArguments

from api.page.form.content import Path, get, put

STEPS = 200
"""Positions of a slider."""


@dataclass
class Sheet:
    """What the fields of a form share.

    Attributes
    ----------
    content
        The workload that they edit.
    changed
        Called after each change by the user.
    fields
        Place as errors name it → the field that shows the error.
    """

    content: dict[str, Any]
    changed: Callable[[], None]
    fields: dict[str, ValueElement[Any]] = field(default_factory=dict)

    def take(self, path: Path, value: Any) -> None:
        """Take in what the user gave."""
        if get(self.content, path) != value:
            put(self.content, path, value)
            self.changed()

    def keep(self, path: Path, element: ValueElement[Any]) -> None:
        """Remember the field of a path."""
        self.fields[place_of(path)] = element


def place_of(path: Path) -> str:
    """Return a path as error messages write it: ``classes[0].rate_rps``."""
    words = ""
    for step in path:
        words += f"[{step}]" if isinstance(step, int) else f".{step}" if words else str(step)
    return words


def words(sheet: Sheet, path: Path, label: str) -> None:
    """Add a field of text."""
    element = ui.input(label, value=str(get(sheet.content, path) or ""))
    element.props("outlined dense debounce=300 hide-bottom-space")
    element.on_value_change(lambda e: sheet.take(path, e.value))
    sheet.keep(path, element)


def number(
    sheet: Sheet,
    path: Path,
    label: str,
    *,
    unit: str = "",
    hint: str = "",
    least: float | None = None,
    whole: bool = False,
) -> ui.number:
    """Add a field of a number; an empty one is null."""
    element = ui.number(label, value=get(sheet.content, path), suffix=unit or None, min=least)
    element.props("outlined dense debounce=400 hide-bottom-space inputmode=decimal")
    if hint:
        element.props(f'hint="{hint}"')

    def took(value: float | None) -> None:
        sheet.take(path, int(value) if whole and value is not None else value)

    element.on_value_change(lambda e: took(e.value))
    sheet.keep(path, element)
    return element


def dial(
    sheet: Sheet, path: Path, label: str, *, unit: str, low: float, high: float, name: str = ""
) -> None:
    """Add a number with a slider below it, on a scale where each step is the same factor."""
    with ui.element("div").classes("dial"):
        shown = number(sheet, path, label, unit=unit)
        start = _position(shown.value, low, high)
        slider = _slider(name or label, start, lambda at: shown.set_value(_value(at, low, high)))
    shown.on_value_change(lambda e: _move(slider, _position(e.value, low, high)))


def share(sheet: Sheet, path: Path, label: str, *, most: float, unit: str = "%") -> None:
    """Add a number of percent with a slider below it, on an even scale."""
    with ui.element("div").classes("dial"):
        shown = number(sheet, path, label, unit=unit, least=0)

        def position(value: float | None) -> int:
            return round(STEPS * min((value or 0) / most, 1))

        slider = _slider(
            label, position(shown.value), lambda at: shown.set_value(round(at * most / STEPS, 3))
        )
    shown.on_value_change(lambda e: _move(slider, position(e.value)))


def _slider(label: str, position: int, moved: Callable[[float], None]) -> ui.element:
    """Add a slider of the browser's own, which keyboards and screen readers know."""
    slider = ui.element("input").classes("slider")
    slider.props(f'type=range min=0 max={STEPS} aria-label="{label}, slider"')
    slider.props["value"] = position

    def took(event: GenericEventArguments) -> None:
        slider.props["value"] = int(event.args)  # as the browser shows it already
        moved(int(event.args))

    slider.on("input", took, throttle=0.1, js_handler="(e) => emit(e.target.value)")
    return slider


def _move(slider: ui.element, position: int) -> None:
    """Move a slider to where its number is, unless it stands there, give or take a rounding."""
    if abs(int(slider.props["value"]) - position) > 1:
        slider.props["value"] = position
        slider.update()


def _position(value: float | None, low: float, high: float) -> int:
    if not value or value <= 0:
        return 0
    share = math.log(value / low) / math.log(high / low)
    return round(STEPS * min(max(share, 0.0), 1.0))


def _value(position: float, low: float, high: float) -> float:
    """Return the value of a position, at two digits."""
    return float(f"{low * (high / low) ** (position / STEPS):.2g}")


def choice(sheet: Sheet, path: Path, label: str, options: Mapping[Any, str]) -> None:
    """Add a field that takes one of several."""
    value = get(sheet.content, path)
    element = ui.select(dict(options) | ({} if value in options else {value: str(value)}))
    element.value = value
    element.props(f'outlined dense options-dense hide-bottom-space label="{label}"')
    element.on_value_change(lambda e: sheet.take(path, e.value))
    sheet.keep(path, element)


def several(
    sheet: Sheet, path: Path, label: str, options: Sequence[str], *, none: str, empty: Any = None
) -> None:
    """Add a field that takes any of many; `none` says what it means where none is chosen.

    Parameters
    ----------
    empty
        Value of the field where none is chosen.
    """
    given = get(sheet.content, path) or []
    known = list(dict.fromkeys([*options, *map(str, given)]))
    element = ui.select(known, value=list(given), multiple=True, with_input=len(known) > 8)
    element.props(f'outlined dense options-dense use-chips hide-bottom-space label="{label}"')

    def took(values: list[str]) -> None:
        element.props["hint"] = None if values else none
        sheet.take(path, values or empty)

    element.props["hint"] = None if given else none
    element.on_value_change(lambda e: took(list(e.value)))
    sheet.keep(path, element)
