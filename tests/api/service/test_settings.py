"""Settings: each has an environment variable, and what is wrong is named in one sentence."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from api.cli import main
from api.service.settings import Settings, load_settings
from api.store.store import Store
from data.errors import InputError
from solver.crew.crew import Crew
from solver.sweep.point import AT_POINTS

WORKING = {
    "host": ("::1", "::1"),
    "port": ("9999", 9999),
    "store_url": ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    "page": ("false", False),
    "require_keys": ("true", True),
    "allowed_origins": ('["https://a.example"]', ["https://a.example"]),
    "allowed_hosts": ('["a.example", "b"]', ["a.example", "b"]),
    "workers": ("7", 7),
    "worker_memory_mb": ("0", 0),
    "queue_limit": ("3", 3),
    "scheduler": ("false", False),
    "job_time_limit_s": ("1.5", 1.5),
    "max_time_limit_s": ("10", 10.0),
    "wait_s": ("2", 2.0),
    "max_body_mb": ("0.5", 0.5),
    "body_timeout_s": ("3", 3.0),
    "max_classes": ("5", 5),
    "max_catalog_rows": ("6", 6),
    "max_tokens": ("1000", 1000),
    "max_simulated_requests": ("2", 2),
    "rate_per_minute": ("60", 60),
    "shutdown_grace_s": ("0", 0.0),
    "dead_after_s": ("30", 30.0),
    "log_format": ("text", "text"),
    "log_level": ("error", "error"),
    "otel": ("1", True),
    "public_url": ("https://minfleet.example", "https://minfleet.example"),
    "notify_private_hosts": ('["10.0.0.0/8"]', ["10.0.0.0/8"]),
    "notify_http": ("true", True),
    "notify_timeout_s": ("4", 4.0),
    "notify_attempts": ("3", 3),
    "notify_pause_s": ("0.5", 0.5),
    "notify_max_pause_s": ("60", 60.0),
}

WRONG = {
    "port": ["-1", "70000", "http", ""],
    "page": ["perhaps"],
    "require_keys": ["perhaps"],
    "allowed_origins": ["https://a.example", "[1]", '{"a": 1}'],
    "allowed_hosts": ["a.example"],
    "workers": ["0", "1000", "two", "1.5"],
    "worker_memory_mb": ["-1", "8GB"],
    "queue_limit": ["0"],
    "scheduler": ["maybe"],
    "job_time_limit_s": ["0", "nan", "inf", "soon"],
    "max_time_limit_s": ["0"],
    "wait_s": ["0", "inf"],
    "max_body_mb": ["0", "inf", "nan"],
    "body_timeout_s": ["-1"],
    "max_classes": ["0"],
    "max_catalog_rows": ["0"],
    "max_tokens": ["0"],
    "max_simulated_requests": ["1"],
    "rate_per_minute": ["0"],
    "shutdown_grace_s": ["-1", "inf"],
    "dead_after_s": ["0"],
    "log_format": ["xml"],
    "log_level": ["loud"],
    "otel": ["perhaps"],
    "notify_private_hosts": ["10.0.0.0/8"],
    "notify_http": ["perhaps"],
    "notify_timeout_s": ["0", "61"],
    "notify_attempts": ["0"],
    "notify_pause_s": ["0"],
    "notify_max_pause_s": ["0", "inf"],
}

FREE = {"host", "public_url", "store_url"}
"""Any text may be one; the server finds out."""


def test_the_tables_here_are_whole():
    assert set(WORKING) >= set(Settings.model_fields)
    assert set(WRONG) | FREE >= set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_each_has_a_variable(monkeypatch, name):
    text, value = WORKING[name]
    monkeypatch.setenv(f"MINFLEET_{name.upper()}", text)
    assert getattr(load_settings(), name) == value
    assert getattr(load_settings(), name) != Settings.model_construct().__dict__.get(name, "")


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in WRONG.items() for t in texts])
def test_what_is_wrong_is_named(monkeypatch, name, text):
    monkeypatch.setenv(f"MINFLEET_{name.upper()}", text)
    with pytest.raises(InputError, match=f"MINFLEET_{name.upper()}") as error:
        load_settings()
    assert str(error.value).endswith(".")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"MINFLEET_PORT": "http"},
        {"MINFLEET_ALLOWED_ORIGINS": "https://a.example"},
        {"MINFLEET_SHUTDOWN_GRACE_S": "inf"},
        {"MINFLEET_STORE_URL": "mysql://u:sesame@h/db"},
        {"MINFLEET_STORE_URL": "postgresql://u:sesame@h:port/db"},
        {"MINFLEET_STORE_URL": "sqlite:////proc/no/such.db"},
        {"MINFLEET_STORE_URL": "sqlite:////proc/such.db"},
        {"MINFLEET_HOST": "not a host"},
        {"MINFLEET_HOST": "x" * 300},
    ],
    ids=str,
)
def test_the_server_does_not_start(tmp_path, environment):
    """Exit status 2 and one sentence, which names no password."""
    sound = {"MINFLEET_STORE_URL": f"sqlite:///{tmp_path}/store.db"}
    result = CliRunner().invoke(main, ["serve"], env={**sound, **environment})
    assert result.exit_code == 2, result.output
    sentences = [s for s in result.stderr.splitlines() if not s.startswith("{")]
    assert len(sentences) == 1
    assert sentences[0].startswith("Error: ")
    assert "sesame" not in result.output
    assert "Traceback" not in result.output


def test_a_store_that_nobody_answers_for(tmp_path):
    url = "postgresql://u:sesame@127.0.0.1:1/db"
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--store-url", url])
    assert result.exit_code == 1
    assert "Connection refused" in result.stderr
    assert "sesame" not in result.output
    assert "Traceback" not in result.output


def refused(*options: object) -> str:
    """Return the sentence with which the server does not start."""
    result = CliRunner().invoke(main, ["serve", *map(str, options)])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    (said,) = [s for s in result.stderr.splitlines() if not s.startswith("{")]
    return said


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("--port", port, "--store-url", f"sqlite:///{tmp_path}/store.db")
    assert f"127.0.0.1:{port}: cannot be listened on (Address already in use)" in said


def test_a_store_that_another_server_has(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    other = Store(url)
    other.database.hold_alone()
    assert "another minfleet server uses this store" in refused("--port", 0, "--store-url", url)
    other.close()


@pytest.mark.parametrize(
    ("quota", "most"),
    [("50000 100000\n", 1), ("150000 100000\n", 2), ("max 100000\n", 64), ("", 64)],
)
def test_as_many_workers_as_the_container_may_use(monkeypatch, tmp_path, quota, most):
    """Not as many as the machine has, of which a container may get a small part."""
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr("solver.crew.cores.CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert load_settings().workers == most
    assert Crew(AT_POINTS, None).jobs == most


def test_options_go_over_the_environment(monkeypatch):
    monkeypatch.setenv("MINFLEET_PORT", "1234")
    assert load_settings(port=4321, workers=None).port == 4321


def test_what_means_nothing_here_is_left_alone(monkeypatch):
    """Other programs may have variables of that beginning, too."""
    monkeypatch.setenv("MINFLEET_SERVER", "http://elsewhere")
    load_settings()


def test_the_store_is_in_the_state_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("MINFLEET_STORE_URL", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert load_settings().store_url == f"sqlite:///{tmp_path}/minfleet/minfleet.db"


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_who_can_reach_it(host, alone):
    settings = load_settings(host=host)
    assert settings.on_loopback is alone
    assert settings.asks_for_keys is not alone
    assert bool(settings.hosts) is alone
    assert load_settings(host=host, require_keys=True).asks_for_keys


def test_every_setting_says_what_it_is():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
