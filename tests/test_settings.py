"""Settings: where they come from, which wins, and that a worker reads the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from workspace.settings import Settings, cores

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


def test_a_file_that_is_named_but_absent_is_refused(monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_CONFIG", "/nowhere/understudy.yaml")
    with pytest.raises(FileNotFoundError, match=r"/nowhere/understudy\.yaml"):
        Settings()


def test_another_process_reads_the_same_settings_from_the_environment(tmp_path):
    settings = Settings(workspace=tmp_path / "ä b", slots=7, plugins=["json"], cancel_grace_s=0.5)
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}
    code = "from workspace.settings import Settings; print(Settings().model_dump_json())"
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, cwd=tmp_path)
    assert Settings.model_validate_json(told.stdout) == settings


def test_the_catalog_is_sqlite_in_the_workspace_unless_a_url_is_given(tmp_path):
    assert Settings(workspace=tmp_path).catalog_url == f"sqlite:///{tmp_path}/catalog.sqlite"
    assert Settings(database_url="postgresql+psycopg://db/understudy").catalog_url.startswith("postgresql")
