"""What every view of the page must be: narrow enough, with names for its fields, readable."""

from __future__ import annotations

from typing import Any

NAMELESS = """() => [...document.querySelectorAll(
    'input, button, select, textarea, a[href], tbody [role=checkbox]')]
  .filter(e => e.type != 'file' && e.type != 'hidden' && e.checkVisibility())
  .filter(e => !(e.ariaLabel || e.labels?.length && e.labels[0].innerText || e.innerText.trim()))
  .map(e => e.outerHTML.slice(0, 200))"""


CONTRAST = """() => {
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92
    : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .99) return c; }
    return [255, 255, 255]; };
  return [...document.querySelectorAll('main *')].filter(e => e.checkVisibility() &&
      [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) &&
      !e.closest('[disabled], svg'))
    .map(e => { const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.innerText.slice(0, 60)]; })
    .filter(([ratio]) => ratio < 4.5); }"""


def assert_readable(view: Any, path: str, scheme: str) -> None:
    """Assert that an open view fits 390 pixels, names its fields, and has a contrast of WCAG's AA.

    Parameters
    ----------
    scheme
        The theme that was asked for, ``light`` or ``dark``.
    """
    width = view.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"{path} scrolls sideways: {width} px"
    assert view.evaluate(NAMELESS) == [], path
    assert view.evaluate(CONTRAST) == [], path
    ground = view.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 3 * 128) == (scheme == "dark")
