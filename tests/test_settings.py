"""Settings: where they come from, which wins, and that a worker reads the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from workspace.settings import Settings, UnfitSettings, cores, parse_keys, read_settings
from workspace.startup import settings_at_start

ROOT = Path(__file__).parent.parent


def test_every_setting_has_a_default_and_says_what_it_means():
    assert all(not field.is_required() and field.description for field in Settings.model_fields.values())


def test_slots_times_threads_are_no_more_than_the_cores():
    settings = Settings()
    assert settings.slots * settings.threads_per_job <= max(cores(), 1)
    assert Settings(threads_per_job=10_000).slots == 1


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path, monkeypatch):
    file = tmp_path / "understudy.yaml"
    file.write_text("slots: 3\nholdout_share: 0.1\n")
    monkeypatch.setenv("UNDERSTUDY_CONFIG", str(file))
    monkeypatch.setenv("UNDERSTUDY_SLOTS", "5")
    settings = Settings()
    assert (settings.slots, settings.holdout_share, settings.max_upload_mb) == (5, 0.1, 2048)


def test_a_file_with_a_name_that_is_no_setting_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "understudy.yaml"
    file.write_text("slotz: 3\n")
    monkeypatch.setenv("UNDERSTUDY_CONFIG", str(file))
    with pytest.raises(ValidationError, match="slotz"):
        Settings()


@pytest.mark.parametrize(
    "written, words",
    [
        (None, "which is not there"),
        ("slots: [3", "are no YAML at line 1"),
        ("- slots", "are no names with values"),
        (b"\xff\xfe\xff", "cannot be read"),
        ("slotz: 3", "'slotz' in the YAML file is no setting"),
        ("slots: many", "UNDERSTUDY_SLOTS should be a valid integer"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, monkeypatch, written, words):
    file = tmp_path / "understudy.yaml"
    if written is not None:
        file.write_bytes(written if isinstance(written, bytes) else written.encode())
    monkeypatch.setenv("UNDERSTUDY_CONFIG", str(file))
    with pytest.raises(UnfitSettings) as refused:
        read_settings()
    (sentence,) = refused.value.sentences
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize("written", ["", "# nothing yet\n"])
def test_an_empty_file_says_nothing(tmp_path, monkeypatch, written):
    file = tmp_path / "understudy.yaml"
    file.write_text(written)
    monkeypatch.setenv("UNDERSTUDY_CONFIG", str(file))
    assert read_settings().slots == Settings().slots


KEY = "Kp4vT7qLx2mBz9wd"
UNFIT = [
    ("API_KEYS", "Kp4vT7qLx2:me:read,write", "at least 16 characters"),
    ("API_KEYS", f"{KEY}:me", "entry 1 is not key:name:permissions"),
    ("API_KEYS", f"{KEY}::read", "entry 1 is not key:name:permissions"),
    ("API_KEYS", f"{KEY}:me:read,{KEY}-2:you:rule", "entry 2 has a permission that is none of read, write, admin"),
    ("API_KEYS", f"{KEY}:me:read,{KEY}-2", "entry 1 has a permission that is none of"),
    ("API_KEYS", f"{KEY}:me:", "entry 1 has a permission that is none of"),
    ("CALL_LIMIT", "often", "is no rate"),
    ("START_LIMIT", "12 a fortnight", "is no rate"),
    ("CORS_ORIGINS", "https://a.example/", "is no origin"),
    ("CORS_ORIGINS", "a.example", "is no origin"),
    ("CORS_ORIGINS", '["https://a.example"', "is no JSON"),
    ("DATABASE_URL", "somewhere", "is no address of a database"),
    ("DATABASE_URL", "mysql://anna:secret@db/understudy", "'mysql' is no database that is supported"),
    ("DATABASE_URL", "postgresql+pg9000://anna:secret@db/understudy", "is not installed"),
    ("LLM_BASE_URL", "localhost:8080", "is no address of a server"),
    ("LLM_PRICES", "{", "is no JSON"),
    ("LLM_PRICES", '{"gpt": [1]}', "LLM_PRICES"),
    ("SECRET_KEYS", '["hN3vB8xQ1zL6kT0wJ5rY9mC2dF7gS4pA", ""]', "a key is empty"),
    ("SECRET_KEYS", "Kp4vT7qLx2mBz9wd", "fewer than 32 characters"),
    ("TRUSTED_PROXIES", "10.0.0.0/40", "is no address and no network"),
    ("LIMITS", '{"POST /train": "often"}', "is no rate"),
    ("LOG_LEVEL", "loud", "should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ("DATA_FOLDER", "/nowhere/at/all", "there is no folder"),
    ("WORKSPACE", __file__, "is no folder that can be written to"),
    ("SLOTS", "0", "should be greater than or equal to 1"),
    ("HOLDOUT_SHARE", "1", "should be less than 1"),
    ("DEVICE", "abacus", "should be 'auto', 'cpu', 'cuda' or 'mps'"),
    ("CALIBRATE", "perhaps", "should be a valid boolean"),
]


@pytest.mark.parametrize("name, value, words", UNFIT, ids=[f"{name}={value[:20]}" for name, value, _ in UNFIT])
def test_a_setting_that_cannot_be_used_is_refused_in_a_sentence_that_names_it(monkeypatch, name, value, words):
    monkeypatch.setenv(f"UNDERSTUDY_{name}", value)
    with pytest.raises(UnfitSettings) as refused:
        read_settings()
    (sentence,) = refused.value.sentences
    assert sentence.startswith(f"UNDERSTUDY_{name} ") and words in sentence and sentence.endswith(".")
    assert KEY not in sentence and "secret@" not in sentence


def test_every_setting_that_cannot_be_used_has_its_sentence(monkeypatch):
    for name, value in (("SLOTS", "0"), ("CALL_LIMIT", "often"), ("API_KEYS", "short")):
        monkeypatch.setenv(f"UNDERSTUDY_{name}", value)
    with pytest.raises(UnfitSettings) as refused:
        read_settings()
    assert len(refused.value.sentences) == 3


@pytest.mark.parametrize(
    "written, entries",
    [
        ("", []),
        (f"{KEY}:me:admin", [(KEY, "me", ["admin"])]),
        (f"{KEY}:me:read,write", [(KEY, "me", ["read", "write"])]),
        (f"{KEY}:me:read, write,{KEY}-2:you:read", [(KEY, "me", ["read", "write"]), (f"{KEY}-2", "you", ["read"])]),
        (f"{KEY}:me:read+write,", [(KEY, "me", ["read", "write"])]),
    ],
)
def test_the_permissions_of_a_key_are_separated_by_commas(written, entries):
    assert parse_keys(written) == entries
    assert Settings(api_keys=written).api_keys.get_secret_value() == written


@pytest.mark.parametrize(
    "written", ["https://a.example,https://b.example", '["https://a.example", "https://b.example"]']
)
def test_a_list_is_written_as_json_or_separated_by_commas(monkeypatch, written):
    monkeypatch.setenv("UNDERSTUDY_CORS_ORIGINS", written)
    assert read_settings().cors_origins == ["https://a.example", "https://b.example"]


def test_a_plugin_or_a_database_that_cannot_be_opened_ends_the_process_at_start(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_PLUGINS", "no_such_plugin")
    monkeypatch.setenv("UNDERSTUDY_DATABASE_URL", f"sqlite:///{tmp_path}/gone/catalog.sqlite")
    with pytest.raises(SystemExit) as ended:
        settings_at_start()
    plugin, database = str(ended.value).splitlines()
    assert plugin.startswith("There is no module 'no_such_plugin', which is named as a plugin.")
    assert database.startswith("UNDERSTUDY_DATABASE_URL names a database that cannot be opened: ")


@pytest.mark.slow
@pytest.mark.parametrize("command", [["streamlit", "run", "app.py", "--server.headless=true"], ["uvicorn", "app:app"]])
def test_a_server_refuses_to_start_with_settings_that_cannot_be_used(tmp_path, command):
    unfit = {"UNDERSTUDY_API_KEYS": "Kp4vT7qLx2:me:read,write", "UNDERSTUDY_WORKSPACE": str(tmp_path)}
    program = [sys.executable, "-m", *command]
    ended = subprocess.run(program, env=os.environ | unfit, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode != 0
    assert "UNDERSTUDY_API_KEYS cannot be used" in ended.stderr and "Traceback" not in ended.stderr + ended.stdout


def test_another_process_reads_the_same_settings_from_the_environment(tmp_path):
    settings = Settings(workspace=tmp_path / "ä b", slots=7, plugins=["json"], cancel_grace_s=0.5)
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}
    code = "from workspace.settings import Settings; print(Settings().model_dump_json())"
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, cwd=tmp_path)
    assert Settings.model_validate_json(told.stdout) == settings


def test_the_catalog_is_sqlite_in_the_workspace_unless_a_url_is_given(tmp_path):
    assert Settings(workspace=tmp_path).catalog_url == f"sqlite:///{tmp_path}/catalog.sqlite"
    assert Settings(database_url="postgresql+psycopg://db/understudy").catalog_url.startswith("postgresql")
