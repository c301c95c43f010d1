"""Every setting of the app: its default, its environment variable (`UNDERSTUDY_...`), its meaning."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

PREFIX = "UNDERSTUDY_"
CONFIG = f"{PREFIX}CONFIG"
ROOT = Path(__file__).parent.parent
"""Where the program lies: workers start there."""

LOCAL = "local"
"""The owner of everything where nobody signs in."""
HOST = platform.node()
"""The machine (or container) this process runs on: process ids mean nothing on another."""


def cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


class Settings(BaseSettings):
    """What the person who runs the app may choose.

    The environment wins over the YAML file (`understudy.yaml` in the current folder, or the one that
    `UNDERSTUDY_CONFIG` names); a name in that file that is no setting is an error.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    workspace: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("workspace-data"), description="Folder that holds tables, models, runs and logs."
    )
    database_url: str | None = Field(
        None,
        description="Catalog, as SQLAlchemy writes it (`postgresql+psycopg://...`); unset: SQLite in the workspace.",
    )
    threads_per_job: int = Field(
        default_factory=lambda: max(1, cores() // 4),
        ge=1,
        description="Threads a job may use; unset: a quarter of the cores, at least one.",
    )
    slots: int = Field(
        default_factory=lambda data: max(1, cores() // data.get("threads_per_job", 1)),
        ge=1,
        description="Jobs that run at once; unset: the cores divided by `threads_per_job`, at least one.",
    )
    memory_share: float = Field(
        0.9,
        gt=0,
        description="Share of the free memory a job may be expected to take before it is refused; above 1 to dare more.",
    )
    calibrate: bool = Field(
        True, description="Measure in the background, once, what a generator costs on this machine."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where neural generators compute.")
    cancel_grace_s: float = Field(
        1.0, ge=0, le=60, description="Seconds a cancelled job has to end by itself before it is killed."
    )
    holdout_share: float = Field(0.2, ge=0, lt=1, description="Share of an upload kept from every generator.")
    max_upload_mb: int = Field(2048, ge=1, description="Largest upload in megabytes.")
    api_keys: SecretStr = Field(
        SecretStr(""), description="API keys as `key:name:permissions,...`; permissions are read, write or admin."
    )
    token_minutes: float = Field(60, gt=0, description="Minutes a token of `POST /api/token` is good for.")
    call_limit: str = Field("1200/minute", description="Most calls of one key, as `limits` writes it.")
    start_limit: str = Field("120/hour", description="Most jobs one key may start, as `limits` writes it.")
    max_queued: int = Field(100, ge=1, description="Most jobs of one key that wait or run at once.")
    max_rows: int = Field(100_000_000, ge=1, description="Most rows one call may ask for.")
    max_columns: int = Field(2000, ge=1, description="Most columns of an upload through the API.")
    max_epochs: int = Field(5000, ge=1, description="Most epochs one call may ask for.")
    repeat_hours: float = Field(
        24, gt=0, description="Hours for which a POST with the same `Idempotency-Key` gets the same answer."
    )
    login_hours: float = Field(8, gt=0, le=720, description="Hours the cookie of `POST /api/login` is good for.")
    session_hours: float | None = Field(
        None, gt=0, description="Hours after its last upload or job at which a session is deleted; unset: never."
    )
    cors_origins: list[str] = Field([], description="Origins whose pages may call the API from a browser.")
    data_folder: Path | None = Field(None, description="The one folder whose files `data_path` may name.")
    secret_keys: list[SecretStr] = Field(
        [], description="Keys that encrypt credentials and sign tokens, newest first; unset: one made in the workspace."
    )
    llm_base_url: str = Field("https://api.openai.com/v1", description="OpenAI-compatible server for conversations.")
    llm_api_key: SecretStr = Field(SecretStr(""), description="Its API key; unset: typed per session in the page.")
    llm_model: str = Field("gpt-4o-mini", description="The model that writes conversations.")
    llm_local_only: bool = Field(False, description="Forbid any language-model server that is not on this machine.")
    llm_prices: dict[str, tuple[float, float]] = Field(
        {"gpt-4o-mini": (0.15, 0.60), "gpt-4o": (2.50, 10.00), "gpt-4.1-mini": (0.40, 1.60), "gpt-4.1": (2.00, 8.00)},
        description="US dollars per million input and output tokens, by model; check them against your contract.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")
    log_mb: int = Field(10, ge=1, description="Megabytes at which the log of the API, `logs/api.jsonl`, is rotated.")
    log_files: int = Field(5, ge=0, description="Rotated logs of the API that are kept.")
    plugins: list[str] = Field(
        [], description="Modules imported at start that add generators, metrics or kinds of job of your own."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(CONFIG)
        if file and not Path(file).is_file():
            raise FileNotFoundError(f"{CONFIG} names {file}, which is not there. Correct the path or unset it.")
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, file or "understudy.yaml")

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{self.workspace / 'catalog.sqlite'}"

    def environment(self) -> dict[str, str]:
        """The variables under which another process reads these same settings."""
        given = {name: getattr(self, name) for name in self.model_fields_set | {"workspace"}}
        return {PREFIX + name.upper(): _written(value) for name, value in given.items() if value is not None}


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, str | Path) else json.dumps(value, default=SecretStr.get_secret_value)
