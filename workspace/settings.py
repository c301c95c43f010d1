"""Every setting of the app: its default, its environment variable (`UNDERSTUDY_...`), its meaning."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from synth.conversations.egress import Allowed
from workspace.placeholders import weakness
from workspace.setting_values import catalog_address, origin, rate, server_address, trusted_proxy

PREFIX = "UNDERSTUDY_"
CONFIG = f"{PREFIX}CONFIG"
ROOT = Path(__file__).parent.parent
"""Where the program lies: workers start there."""

LOCAL = "local"
"""The owner of everything where nobody signs in."""
RESERVED_NAMES = frozenset({LOCAL, "anybody", "anyone", "everybody", "everyone", "nobody", "public", "system"})
"""Names that no key may have."""
HOST = platform.node()
"""The machine (or container) this process runs on: process ids mean nothing on another."""

Permission = Literal["read", "write", "admin"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
"""Each includes those before it."""


class UnfitSettings(ValueError):
    """Settings that cannot be used: `sentences` say which, why, and what to write instead."""

    def __init__(self, sentences: list[str]):
        super().__init__("\n".join(sentences))
        self.sentences = sentences


def cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_mb() -> float:
    """Memory of this machine, or of the container where that has less."""
    # Most processes need no answer, and the library takes its time.
    import psutil

    most, limit = psutil.virtual_memory().total, Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (said := limit.read_text().strip()).isdigit():
        most = min(most, int(said))
    return most / 2**20


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _folder(path: Path) -> Path:
    """A folder that is there, or can be made."""
    there = next(part for part in (path, *path.parents) if part.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{str(path)!r} is no folder that can be written to; name another")
    return path


def _existing_folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"there is no folder {str(path)!r}; make it, or correct the path")
    return path


def _allowed_host(text: str) -> str:
    Allowed.of(text)
    return text


def _proxy(address: SecretStr) -> SecretStr:
    url = urlsplit(address.get_secret_value())
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("this is no address of a proxy; write one such as http://proxy.example.org:3128")
    return address


def _secret(key: SecretStr) -> SecretStr:
    text = key.get_secret_value().strip()
    if not text:
        raise ValueError("a key is empty; leave it out, or make one: " + MAKE_A_KEY)
    if why := weakness(text):
        raise ValueError(f"a key {why}; make one of your own: " + MAKE_A_KEY)
    if len(text) < SECRET_CHARACTERS:
        raise ValueError(f"a key has fewer than {SECRET_CHARACTERS} characters; make one: " + MAKE_A_KEY)
    return key


SECRET_CHARACTERS = 32
"""The least that a key which encrypts and signs has."""
MAKE_A_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
"""A command that prints a fresh random key."""


def parse_keys(text: str) -> list[tuple[str, str, list[str]]]:
    """The key, the name and the permissions of each entry of `key:name:permissions,...`.

    Permissions are joined by `,` or `+`: what has no colon goes on with the entry before. Raises ValueError, whose
    message holds no part of a key.
    """
    entries: list[list[str]] = []
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        if ":" in piece or not entries:
            entries.append(piece.split(":"))
        else:
            entries[-1][-1] += f",{piece}"
    found = []
    for number, parts in enumerate(entries, 1):
        if why := weakness(parts[0]):
            raise ValueError(f"the key of entry {number} {why}; make one of your own: " + MAKE_A_KEY)
        if len(parts) != 3 or len(parts[0]) < 16 or not parts[1]:
            raise ValueError(
                f"entry {number} is not key:name:permissions with a key of at least 16 characters; make a key: "
                + MAKE_A_KEY
            )
        permissions = re.split(r"[,+|/ ]+", parts[2])
        # A permission that is none may be a key in the wrong place: it is not repeated.
        if not set(permissions) <= set(PERMISSIONS):
            raise ValueError(f"entry {number} has a permission that is none of {', '.join(PERMISSIONS)}")
        if parts[1].lower() in RESERVED_NAMES:
            raise ValueError(
                f"entry {number} has the name {parts[1]!r}, which stands for who needs no key; take another"
            )
        found.append((parts[0], parts[1], permissions))
    return found


def _known_keys(keys: SecretStr) -> SecretStr:
    parse_keys(keys.get_secret_value())
    return keys


Rate = Annotated[str, AfterValidator(rate)]


class Settings(BaseSettings):
    """What the person who runs the app may choose.

    The environment wins over the YAML file (`understudy.yaml` in the current folder, or the one that
    `UNDERSTUDY_CONFIG` names); a name in that file that is no setting is an error.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, enable_decoding=False, hide_input_in_errors=True
    )

    workspace: Annotated[Path, AfterValidator(_absolute), AfterValidator(_folder)] = Field(
        Path("workspace-data"), description="Folder that holds tables, models, runs and logs."
    )
    database_url: Annotated[str | None, AfterValidator(catalog_address)] = Field(
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
    retry_s: float = Field(
        10,
        ge=0,
        description="Seconds before a job that was interrupted is tried again by itself; the second wait is four times as long.",
    )
    holdout_share: float = Field(
        0.2, ge=0, lt=1, description="Share of an upload's rows that are held out for evaluation."
    )
    max_upload_mb: int = Field(2048, ge=1, description="Largest upload in megabytes.")
    max_waiting_files: int = Field(
        20,
        ge=1,
        description="Most files that one visitor of the pages may have chosen and not added yet; together they may have "
        "twice `max_upload_mb`.",
    )
    api_keys: Annotated[SecretStr, AfterValidator(_known_keys)] = Field(
        SecretStr(""),
        description="API keys as `key:name:permissions,...`; permissions are read, write or admin, separated by commas.",
    )
    token_minutes: float = Field(60, gt=0, description="Minutes a token of `POST /api/token` is good for.")
    call_limit: Rate = Field("1200/minute", description="Most calls of one key, as `limits` writes it.")
    limits: dict[str, Rate] = Field(
        {},
        description='Most calls of one key by call, as JSON: `{"POST /train": "10/hour"}`, with paths as in docs/api.md.',
    )
    start_limit: Rate = Field("120/hour", description="Most jobs one key may start, as `limits` writes it.")
    max_queued: int = Field(100, ge=1, description="Most jobs of one key that wait or run at once.")
    max_rows: int = Field(100_000_000, ge=1, description="Most rows of an upload, and that one call may ask for.")
    max_columns: int = Field(2000, ge=1, description="Most columns of an upload.")
    max_cells: int = Field(2_000_000_000, ge=1, description="Most cells of an upload: its rows times its columns.")
    readers: int = Field(
        default_factory=lambda: max(4, cores()),
        ge=1,
        description="Files that are read at once, each in a process of its own; unset: the cores, at least 4.",
    )
    read_seconds: int = Field(
        600, ge=1, description="Most seconds that reading a file may take, and most seconds of processor time."
    )
    read_memory_mb: int = Field(
        default_factory=lambda: max(1024, round(memory_mb() / 2)),
        ge=128,
        description="Most megabytes of memory that reading a file may take; unset: half of the machine's, at least 1024.",
    )
    max_epochs: int = Field(5000, ge=1, description="Most epochs one call may ask for.")
    repeat_hours: float = Field(
        24, gt=0, description="Hours for which a POST with the same `Idempotency-Key` gets the same answer."
    )
    sign_in_hours: float = Field(
        168, gt=0, le=8760, description="Hours after which who signed in to the pages must do so again."
    )
    sign_in_idle_hours: float = Field(
        12, gt=0, description="Hours without a step on a page after which who signed in must do so again."
    )
    trusted_proxies: list[Annotated[str, AfterValidator(trusted_proxy)]] = Field(
        [],
        description="Addresses or networks of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, "
        "separated by commas; `unix` for a socket in the file system.",
    )
    login_hours: float = Field(8, gt=0, le=720, description="Hours the cookie of `POST /api/login` is good for.")
    session_hours: float | None = Field(
        None, gt=0, description="Hours after its last upload or job at which a session is deleted; unset: never."
    )
    cors_origins: list[Annotated[str, AfterValidator(origin)]] = Field(
        [], description="Origins whose pages may call the API from a browser, separated by commas."
    )
    data_folder: Annotated[Path, AfterValidator(_absolute), AfterValidator(_existing_folder)] | None = Field(
        None, description="The one folder whose files `data_path` may name."
    )
    secret_keys: list[Annotated[SecretStr, AfterValidator(_secret)]] = Field(
        [],
        description="Keys that encrypt credentials and sign tokens, newest first, separated by commas; unset: one made "
        "in the workspace.",
    )
    llm_base_url: Annotated[str, AfterValidator(server_address)] = Field(
        "https://api.openai.com/v1", description="OpenAI-compatible server for conversations."
    )
    llm_api_key: SecretStr = Field(SecretStr(""), description="Its API key; unset: typed per session in the page.")
    llm_model: str = Field("gpt-4o-mini", description="The model that writes conversations.")
    llm_local_only: bool = Field(False, description="Forbid any language-model server that is not on this machine.")
    llm_proxy: Annotated[SecretStr, AfterValidator(_proxy)] | None = Field(
        None,
        description="Proxy for language-model servers that are not on this machine, as `http://user:password@host:port`; "
        "unset: none, whatever `HTTPS_PROXY` says.",
    )
    allowed_hosts: list[Annotated[str, AfterValidator(_allowed_host)]] = Field(
        [],
        description="Language-model servers that callers may name although their address is not public: hosts, "
        "`host:port` or networks, separated by commas. Without keys, every server may be named.",
    )
    llm_prices: dict[str, tuple[float, float]] = Field(
        {"gpt-4o-mini": (0.15, 0.60), "gpt-4o": (2.50, 10.00), "gpt-4.1-mini": (0.40, 1.60), "gpt-4.1": (2.00, 8.00)},
        description="US dollars per million input and output tokens, by model; check them against your contract.",
    )
    worker_environment: list[str] = Field(
        [],
        description="Names of further environment variables that the processes of jobs get, separated by commas, such as "
        "`HF_TOKEN`; without it they get none that a plugin or a licence of yours may need.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")
    log_mb: int = Field(10, ge=1, description="Megabytes at which the log of the API, `logs/api.jsonl`, is rotated.")
    log_files: int = Field(5, ge=0, description="Rotated logs of the API that are kept.")
    plugins: list[str] = Field(
        [],
        description="Modules imported at start that add generators, metrics or kinds of job of your own, separated by "
        "commas.",
    )

    @field_validator(
        "cors_origins",
        "allowed_hosts",
        "trusted_proxies",
        "secret_keys",
        "worker_environment",
        "plugins",
        "llm_prices",
        "limits",
        mode="before",
    )
    @classmethod
    def _from_text(cls, given: Any, info: ValidationInfo) -> Any:
        """What an environment variable holds: JSON, or a list whose items are separated by commas."""
        if not isinstance(given, str):
            return given
        if info.field_name not in ("llm_prices", "limits") and not given.lstrip().startswith("["):
            return [item.strip() for item in given.split(",") if item.strip()]
        try:
            return json.loads(given)
        except ValueError:
            raise ValueError("this is no JSON") from None

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
        written = _in_file(Path(file or "understudy.yaml"), named=bool(file))
        return init_settings, env_settings, InitSettingsSource(settings_cls, written)

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{self.workspace / 'catalog.sqlite'}"

    def environment(self, *, secrets: bool = True) -> dict[str, str]:
        """The variables under which another process reads these same settings; without `secrets`, none that hold any."""
        given = {name: getattr(self, name) for name in self.model_fields_set | {"workspace"}}
        return {
            PREFIX + name.upper(): _written(value)
            for name, value in given.items()
            if value is not None and (secrets or name not in SECRET)
        }


SECRET = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
"""The settings that are nobody's to know but the server's."""


def read_settings() -> Settings:
    """The settings of this process, from its environment and the YAML file.

    Raises UnfitSettings, with a sentence for each setting that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        # A default made of the other settings waits for these to be right.
        own = [one for one in found if one["type"] != "default_factory_not_called"]
        raise UnfitSettings([_sentence(str(one["loc"][0]), one["type"], one["msg"]) for one in own]) from None


def _sentence(name: str, kind: str, problem: str) -> str:
    if kind == "extra_forbidden":
        return f"{name!r} in the YAML file is no setting. Correct the name or leave it out."
    problem = problem.removeprefix("Value error, ").removeprefix("Input ")
    return f"{PREFIX}{name.upper()} {'' if problem.startswith('should') else 'cannot be used: '}{problem}."


def _in_file(file: Path, named: bool) -> dict[str, Any]:
    """The settings in a YAML file; none where there is no file and none was named. Raises UnfitSettings."""
    import yaml

    if not named and not file.is_file():
        return {}
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnfitSettings([f"{CONFIG} names {file}, which is not there. Correct the path or unset it."]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnfitSettings([f"The settings in {file} cannot be read ({type(error).__name__})."]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "some place"
        raise UnfitSettings(
            [f"The settings in {file} are no YAML at {place}. Write a line each, NAME: VALUE."]
        ) from None
    if not isinstance(found, dict | None):
        raise UnfitSettings([f"The settings in {file} are no names with values. Write a line each, NAME: VALUE."])
    return {str(name): value for name, value in (found or {}).items()}


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, str | Path) else json.dumps(value, default=SecretStr.get_secret_value)
