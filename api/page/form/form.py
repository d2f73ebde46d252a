"""The form of a workload beside a view."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import events, ui

from api.page.form import content as contents
from api.page.form.fields import Sheet, choice, dial, number, several, share, words
from data.errors import InputError

PRICING = ("on_demand", "spot", "committed")

FORMATS = ("bf16", "fp8", "int8", "int4", "fp4")

PERCENTILES = {
    50: "50 of 100",
    90: "90 of 100",
    95: "95 of 100",
    99: "99 of 100",
    99.9: "999 of 1,000",
}
"""Percentile → how many requests keep each target."""

APART = {"auto": "where it is cheaper", "off": "never", "only": "always"}

ENGINES = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM"}


@dataclass(frozen=True)
class Names:
    """What can be chosen from: names of the catalogue."""

    models: list[str]
    accelerators: list[str]
    providers: list[str]
    regions: list[str]


class Form:
    """Fields of a workload; made within the element that is to hold them.

    Parameters
    ----------
    changed
        Called after each change by the user.
    """

    def __init__(self, names: Names, content: dict[str, Any], changed: Callable[[], None]) -> None:
        self._names, self._changed = names, changed
        self._sheet = Sheet(content, changed)
        self._open_blocks: set[str] = set()
        self._upload()
        self._fault = ui.label().classes("fault").props("role=alert")
        self._fault.visible = False
        self._body = ui.element("div").classes("fields")
        self._build()

    @property
    def content(self) -> dict[str, Any]:
        """The workload that the form holds."""
        return self._sheet.content

    def show(self, content: dict[str, Any]) -> None:
        """Fill the form with another workload."""
        self._sheet = Sheet(content, self._changed)
        self._build()
        self._changed()

    def show_fault(self, sentence: str | None, *, at_field: bool = False) -> None:
        """Show what is wrong with the workload, at its field where that is on the form.

        Parameters
        ----------
        at_field
            Show nothing here if it is about no field of the form: it is shown elsewhere, too.
        """
        guilty = None if sentence is None else self._guilty(sentence)
        if at_field and guilty is None:
            sentence = None
        self._fault.visible = sentence is not None
        self._fault.text = sentence or ""
        for place, element in self._sheet.fields.items():
            element.props["error"] = place == guilty

    def _guilty(self, sentence: str) -> str | None:
        """Return the place of the form that a sentence names, the longest of several."""
        said = sentence
        for number_, entry in enumerate(self.content.get("classes", ())):
            said = said.replace(f"classes.{entry.get('name')}.", f"classes[{number_}].")
        found = [
            p for p in self._sheet.fields if re.search(rf"(?<![\w.]){re.escape(p)}(?![\w])", said)
        ]
        return max(found, key=len, default=None)

    def _upload(self) -> None:
        upload = ui.upload(auto_upload=True, max_files=1, on_upload=self._uploaded)
        upload.classes("hidden-upload").props('accept=".yaml,.yml,.json" aria-hidden=true')
        with ui.element("div").classes("row-of-buttons"):
            opener = ui.button("Open a workload file", icon="upload_file")
            opener.props("flat dense no-caps")
            opener.on("click", js_handler=f"() => runMethod({upload.id}, 'pickFiles', [])")
            again = ui.button("Start over", icon="restart_alt").props("flat dense no-caps")
            again.on_click(lambda: self.show(contents.start()))
        self._uploader = upload

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        data = await event.file.read()
        self._uploader.reset()
        try:
            self.show(contents.read_file(data, event.file.name))
        except InputError as error:
            self.show_fault(" ".join(str(error).splitlines()))

    def _build(self) -> None:
        self._sheet.fields.clear()
        self._body.clear()
        with self._body:
            self._model()
            self._kept()
            for index in range(len(self.content["classes"])):
                self._class(index)
            ui.button("Add a class", icon="add", on_click=self._add).props("flat dense no-caps")
            self._targets()
            with self._block("Hardware and budget", "hardware"):
                self._hardware()
            with self._block("Precision and serving", "serving", "precision"):
                self._serving()

    def _kept(self) -> None:
        """Say what the workload wants that the form does not edit."""
        told = {"objective": "objective", "demand": "demand over time", "batch": "batch"}
        kept = [name for block, name in told.items() if block in self.content]
        if kept:
            ui.label(f"With the {' and '.join(kept)} of the file.").classes("quiet")

    def _block(self, title: str, *blocks: str) -> ui.expansion:
        given = any(b in self.content for b in blocks)
        block = ui.expansion(title, value=given or title in self._open_blocks)
        block.props("dense dense-toggle").classes("fold")
        note = self._open_blocks
        block.on_value_change(lambda e: note.add(title) if e.value else note.discard(title))
        return block

    def _model(self) -> None:
        sheet, given = self._sheet, self.content.get("model")
        known = {name: name for name in self._names.models}
        if isinstance(given, dict):
            known["\0"] = f"{given.get('name', 'a model')} (config of the file)"
            value = "\0"
        else:
            value = str(given or "")
            known.setdefault(value, value)
        element = ui.select(known, value=value, with_input=True)
        element.props('outlined dense options-dense hide-bottom-space label="Model"')
        element.on_value_change(
            lambda e: (
                sheet.take(("model",), given if e.value == "\0" else e.value) if e.value else None
            )
        )
        sheet.keep(("model",), element)

    def _class(self, index: int) -> None:
        sheet, entry = self._sheet, self.content["classes"][index]
        with ui.element("fieldset").classes("class"):
            ui.html(f"Class {index + 1}", tag="legend")
            with ui.element("div").classes("pair"):
                words(sheet, ("classes", index, "name"), "Name")
                if len(self.content["classes"]) > 1:
                    gone = ui.button(icon="close", on_click=lambda: self._remove(index))
                    gone.props(f'flat dense round aria-label="Remove class {index + 1}"')
            path = ("classes", index, "rate_rps")
            dial(sheet, path, "Rate", unit="requests/s", low=0.1, high=1000,
                 name=f"Rate of class {index + 1}")  # fmt: skip
            with ui.element("div").classes("pair"):
                for name, label in (("isl", "Tokens in"), ("osl", "Tokens out")):
                    spread = entry.get(name) if isinstance(entry.get(name), dict) else {}
                    more = ", ".join(f"{k} {v:,g}" for k, v in spread.items() if k != "mean" and v)
                    number(sheet, ("classes", index, name), label, least=1,
                           hint=f"mean; {more}" if more else "")  # fmt: skip
            kept = [k for k in ("model", "sla") if entry.get(k)]
            if kept:
                told = {"model": "a model of its own", "sla": "targets of its own"}
                ui.label("With " + " and ".join(told[k] for k in kept) + ".").classes("quiet")

    def _add(self) -> None:
        taken = {c.get("name") for c in self.content["classes"]}
        number_ = next(n for n in range(2, 2000) if f"class{n}" not in taken)
        fresh = {"name": f"class{number_}", "rate_rps": 5, "isl": 1024, "osl": 256}
        self.content["classes"].append(fresh)
        self._build()
        self._changed()

    def _remove(self, index: int) -> None:
        del self.content["classes"][index]
        self._build()
        self._changed()

    def _targets(self) -> None:
        sheet = self._sheet
        with ui.element("fieldset").classes("class"):
            ui.html("Targets", tag="legend")
            dial(sheet, ("sla", "ttft_ms"), "Time to first token", unit="ms", low=50, high=10_000)
            dial(sheet, ("sla", "tpot_ms"), "Time per further token", unit="ms", low=4, high=400)
            with ui.element("div").classes("pair"):
                number(sheet, ("sla", "e2e_ms"), "End to end", unit="ms")
                choice(sheet, ("sla", "percentile"), "Kept by", PERCENTILES)

    def _hardware(self) -> None:
        sheet, names = self._sheet, self._names
        several(sheet, ("hardware", "accelerators"), "Accelerators", names.accelerators, none="any")
        several(sheet, ("hardware", "providers"), "Providers", names.providers, none="any")
        several(sheet, ("hardware", "regions"), "Regions", names.regions, none="any")
        several(sheet, ("hardware", "pricing"), "Ways of paying", PRICING, none="at least one",
                empty=["on_demand"])  # fmt: skip
        with ui.element("div").classes("pair"):
            path = ("hardware", "max_cost_per_hour_usd")
            number(sheet, path, "Budget", unit="$/h")
            number(sheet, ("hardware", "max_gpus"), "Most GPUs", whole=True)
        with ui.element("div").classes("pair"):
            number(sheet, ("hardware", "max_power_kw"), "Most power", unit="kW")
            number(sheet, ("hardware", "max_providers"), "Most providers", whole=True)
        number(sheet, ("hardware", "spare_replicas"), "Spare replicas of each pool", whole=True)

    def _serving(self) -> None:
        sheet = self._sheet
        path = ("precision", "max_quality_loss_pct")
        share(sheet, path, "Most quality loss", most=5)
        several(sheet, ("precision", "weights"), "Weight formats", FORMATS,
                none="bf16, fp8, int4 and the published one")  # fmt: skip
        choice(sheet, ("serving", "engine"), "Engine", ENGINES)
        choice(sheet, ("serving", "disaggregation"), "Prefill and decode apart", APART)
        number(sheet, ("serving", "prefix_cache_hit_rate"), "Prefix cache hit rate", least=0)
