"""Plots as SVG, PNG or a page that needs nothing but itself.

matplotlib is an optional extra and is only imported to draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".html")

DPI = 150


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be drawn, before the work that it is to show.

    Raises
    ------
    InputError
        If the file's ending is none of `FORMATS`, or matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: a plot ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(
            "plots need matplotlib, which is not installed; run pip install 'minfleet[plots]'."
        ) from None


@contextmanager
def style() -> Iterator[None]:
    """Draw with our type sizes, and so that equal data give equal files."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "minfleet", "svg.fonttype": "none", "font.size": 9}):
        yield


def saved(path: Path, title: str, figure: Figure) -> bytes:
    """Return a figure in the format that the ending of `path` names.

    Parameters
    ----------
    title
        Title of the page.
    """
    suffix, drawn = path.suffix.lower(), BytesIO()
    if suffix == ".png":
        figure.savefig(drawn, format="png", dpi=DPI)
        return drawn.getvalue()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue() if suffix == ".svg" else _page(title, drawn.getvalue().decode())


def plain(text: str) -> str:
    """Return text that matplotlib shows as it is: no formula, not hidden."""
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def _page(title: str, svg: str) -> bytes:
    """Return a page that needs nothing but itself."""
    drawing = svg[svg.index("<svg") :]
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font-family:sans-serif;margin:2rem;background:#fff}"
        "svg{max-width:100%;height:auto}</style></head>\n"
        f"<body>\n{drawing}</body></html>\n"
    ).encode()
