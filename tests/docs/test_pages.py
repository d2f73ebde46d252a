"""All pages: links lead somewhere, generated parts are current, every example is shown."""

from __future__ import annotations

import re
import shlex

import pytest

from api.service.settings import Settings
from solver.workload import Workload

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/accuracy.md",
    "docs/bursty-traces.md",
    "docs/calibration.md",
    "docs/catalog.md",
    "docs/cli.md",
    "docs/comparison.md",
    "docs/demand.md",
    "docs/deploy.md",
    "docs/examples.md",
    "docs/formulation.md",
    "docs/frontiers.md",
    "docs/measurements.md",
    "docs/notifications.md",
    "docs/objectives.md",
    "docs/operations.md",
    "docs/page.md",
    "docs/performance-model.md",
    "docs/plan.md",
    "docs/price-feeds.md",
    "docs/registered-workloads.md",
    "docs/replanning.md",
    "docs/replay.md",
    "docs/rest.md",
    "docs/scale.md",
    "docs/schemas.md",
    "docs/simulation.md",
    "docs/stories.md",
    "docs/workload.md",
]


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name, root):
    here = root / name
    for target in re.findall(r"\]\(([^)\s]+)\)", here.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, fragment = target.partition("#")
        file = here.parent / path if path else here
        assert file.exists(), f"{name}: {target}"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            assert fragment in map(anchor, headings), f"{name}: {target}"


def test_pages_have_the_columns_of_the_data(page, script):
    reference, marked = script("render_reference"), script("marked")
    for table in reference.tables():
        shown = marked.between(page(reference.page_of(table)), table)
        assert shown == reference.column_table(table), "run docs/render_reference.py"


def test_price_feeds_page_has_the_columns_that_are_read(page, script):
    reference, marked = script("render_reference"), script("marked")
    assert marked.between(page("price-feeds.md"), "focus") == reference.focus_table()


def test_cli_page_has_every_command_and_option(page, script):
    reference, marked = script("render_reference"), script("marked")
    sections = {name: reference.command_section(name, c) for name, c in reference.commands()}
    assert len(sections) > 10
    shown = marked.between(page("cli.md"), "commands")
    assert shown == "\n\n".join(sections.values()), "run docs/render_reference.py"
    for name, command in reference.commands():
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert option in sections[name]


def test_tables_of_fields_are_those_of_the_models(page, script):
    schemas, marked = script("render_schemas"), script("marked")
    for name, parts in schemas.pages().items():
        for part, content in parts.items():
            assert marked.between(page(name), part) == content, f"{name}: run 'make schemas'"


def test_pages_of_the_service_show_every_setting_endpoint_problem_and_metric(page, script):
    service, marked = script("render_service"), script("marked")
    for name, parts in service.pages().items():
        for part, content in parts.items():
            assert len(content.splitlines()) > 10
            assert marked.between(page(name), part) == content, f"run docs/{service.__name__}.py"


def test_every_setting_says_what_it_does():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith(".")


def test_every_example_is_shown_as_it_is(page, root, script):
    text = page("examples.md")
    commands = script("render_examples").commands()
    shown = re.findall(r"^\$ (minfleet plan .+)$", text, re.MULTILINE)
    assert shown == commands, "run 'make examples'"
    stories = script("render_examples").STORIES.values()
    asked = [shlex.split(command.replace("\\\n", " ")) for command in (*commands, *stories)]
    files = {word for words in asked for word in words if word.endswith(".yaml")}
    found = {str(p.relative_to(root)) for p in (root / "examples").rglob("*.yaml")}
    assert files | script("render_replay").workloads() == found
    for file in (shlex.split(command)[2] for command in commands):
        assert (root / file).read_text("utf-8").strip() in text, "run 'make examples'"


def test_examples_are_at_least_eight_and_explain_themselves(root):
    files = sorted((root / "examples").glob("*.yaml"))
    assert len(files) >= 9
    assert all(f.read_text("utf-8").startswith("# ") for f in files)


def test_contributing_names_rooms_that_exist(root):
    text = (root / "CONTRIBUTING.md").read_text("utf-8")
    for room in re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE):
        assert (root / room / "__init__.py").exists()


def test_readme_and_pages_name_no_machine(root):
    for name in PAGES:
        text = (root / name).read_text("utf-8")
        assert not re.search(r"/(home|root|tmp|work)/", text), name


def test_workload_of_the_readme_is_the_example(root):
    chat = Workload.load(root / "examples" / "chat-70b.yaml")
    (only,) = chat.classes
    text = (root / "README.md").read_text("utf-8")
    for figure in (only.rate_rps, only.isl, only.osl, chat.sla.ttft_ms, chat.sla.tpot_ms):
        assert f"{figure:,.0f}" in text
