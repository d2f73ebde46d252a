"""Asking AIConfigurator in its own environment; what it has answered is kept there.

A question is kept under a digest of its text, and the file of answers under the digest of the
script that asks and the packages' version, so that only what changed is asked again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.samples import SHORTEST, Sample
from model.measured_rows import RowPrediction

SCRIPT = Path(__file__).with_name("rival.py")

COLUMNS = (
    "model", "precision", "system", "backend", "isl", "osl", "batch_size", "tp_size", "pp_size",
    "attention_dp_size", "moe_tp_size", "moe_ep_size", "gemm_quant_mode", "moe_quant_mode",
    "kvcache_quant_mode",
)  # fmt: skip
"""What a question states."""

NOT_ASKED = "disaggregated: only aggregated deployments are asked for"

Answers = Mapping[str, Mapping[str, str]]
"""Way of asking → the cells of the answer."""


@dataclass(frozen=True)
class Rival:
    """AIConfigurator in an environment of its own.

    Attributes
    ----------
    python
        Its interpreter.
    sample
        The measured rows of the package.
    versions
        Package → version.
    """

    python: Path
    sample: Path
    versions: Mapping[str, str]

    @classmethod
    def of(cls, environment: Path) -> Rival:
        """Return the one that is installed in an environment.

        Raises
        ------
        FileNotFoundError
            If there is no such environment.
        """
        python = environment / "bin" / "python"
        if not python.exists():
            raise FileNotFoundError(f"{python} is not there; 'make accuracy' sets it up")
        told = subprocess.run([python, SCRIPT, "about"], check=True, capture_output=True, text=True)
        found = json.loads(told.stdout)
        return cls(python, Path(found.pop("sample")), found)

    @property
    def kept(self) -> Path:
        """File of the answers so far."""
        stated = [SCRIPT.read_text("utf-8"), *map(str, sorted(self.versions.items()))]
        name = f"answers-{self.versions['aiconfigurator']}-{_digest(*stated)}.csv"
        return self.python.parents[1] / name

    def ask(self, samples: Sequence[Sample]) -> list[Answers]:
        """Return the answers about samples, in their order; disaggregated ones are not asked."""
        asked = [None if s.disaggregated else question(s) for s in samples]
        known = self._known()
        new = {q["key"]: q for q in asked if q and q["key"] not in known}
        if new:
            known |= self._answer(list(new.values()))
            _write(self.kept, [cells for ways in known.values() for cells in ways.values()])
        return [known[q["key"]] if q else {} for q in asked]

    def _known(self) -> dict[str, dict[str, dict[str, str]]]:
        return _by_key(self.kept) if self.kept.exists() else {}

    def _answer(
        self, questions: Sequence[Mapping[str, str]]
    ) -> dict[str, dict[str, dict[str, str]]]:
        asked, given = (self.kept.with_suffix(f".{name}.csv") for name in ("asked", "given"))
        _write(asked, questions)
        subprocess.run([self.python, SCRIPT, "predict", asked, given], check=True)
        found = _by_key(given)
        asked.unlink()
        given.unlink()
        return found


def question(sample: Sample) -> dict[str, str]:
    """Return what AIConfigurator is asked about an aggregated sample.

    Lengths are the mean ones, the batch is that of one attention rank, and the KV cache is taken to
    be FP8 where minfleet takes it to be: with narrow weights on TensorRT-LLM and in InferenceX.
    """
    share = (1 + SHORTEST) / 2 if sample.inferencex else 1.0
    ranks = sample.count("attention_dp_size")
    narrow = sample.text("precision") in ("fp8", "fp4")
    eight_bits = narrow and (sample.inferencex or sample.text("backend") == "trtllm")
    cells = {name: str(sample.count(name)) for name in COLUMNS if name.endswith("_size")}
    cells |= {name: sample.text(name) for name in ("precision", "system", "backend")}
    cells |= {name: sample.text(name) for name in ("gemm_quant_mode", "moe_quant_mode")}
    cells |= {name: str(round(sample.count(name) * share)) for name in ("isl", "osl")}
    cells["model"] = sample.text("model_path")
    cells["batch_size"] = str(max((sample.concurrency or 1) // ranks, 1))
    cells["kvcache_quant_mode"] = "fp8" if eight_bits else ""
    cells = {name: cells[name] for name in COLUMNS}
    return {"key": _digest(*cells.values()), **cells}


def prediction(answers: Answers, ways: Sequence[str] = ("stated",)) -> RowPrediction:
    """Return the first of some ways in which a row was predicted, else why it was not.

    By default formats are as stated, the way whose TPOT is off least over the held rows.
    """
    for way in ways:
        cells = answers.get(way, {})
        if cells.get("tpot_ms"):
            return RowPrediction(float(cells["ttft_ms"]), float(cells["tpot_ms"]))
    if not answers:
        return RowPrediction(refused=NOT_ASKED)
    return RowPrediction(refused=plain(answers[ways[0]]["refused"]))


def plain(reason: str) -> str:
    """Return a refusal in short, so that refusals of one kind read alike."""
    if "OOM" in reason:
        return "does not fit the memory, as it reckons"
    if found := re.search(r"(GEMM|MoE|DSA)\b.*\bdata missing", reason):
        return f"no kernel measurements: {found[1]}"
    if "perf database" in reason:
        return "no kernel measurements"
    return re.sub(r"\d+", "n", re.sub(r"\S*/\S*", "…", reason.partition(":")[2] or reason)).strip()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _by_key(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            found.setdefault(cells["key"], {})[cells["way"]] = cells
    return found


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
