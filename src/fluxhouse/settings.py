"""What the operator decides, read once from `FLUXHOUSE_*` variables into one frozen value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fluxhouse.storage.buckets import SCHEME, Bucket

PREFIX = "FLUXHOUSE_"
_FOR_TESTS = PREFIX + "TEST_"
_OF_CLIENTS = frozenset({PREFIX + "API_KEY", PREFIX + "API_URL"})  # a caller's, read by the SDK in the same shell
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SHORTEST_SECRET = 16  # characters


class SettingsRefused(ValueError):
    """A variable is unknown or malformed; the message names it and what is allowed."""


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if any(not name.strip() or not folder.strip(" |") for name, _, folder in pairs):
        raise ValueError("must be id=/folder, several separated by commas")
    if len({name.strip() for name, _, _ in pairs}) < len(pairs):
        raise ValueError("names a model twice")
    return {name.strip(): folder.strip() for name, _, folder in pairs}


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value).strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("must be seconds, or a number with s, m, h or d, such as 24h")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _size(value: object) -> object:
    if value is None or isinstance(value, int):
        return value
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?) ?([MGT]B)?", str(value).strip())
    if match is None or float(match[1]) == 0:
        raise ValueError("must be bytes, or a number with MB, GB or TB, such as 40GB")
    return int(float(match[1]) * _SIZES[match[2] or ""])


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(ip_network(text.strip()) for text in value.split(",") if text.strip())


def _packs(value: object) -> object:
    if not isinstance(value, str):
        return value
    packs = [re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)=(\d{1,9}(?:\.\d{1,2})?)\s*", pack) for pack in value.split(",")]
    found = {pack[1]: pack[2] for pack in packs if pack}
    if len(found) < len(packs):
        raise ValueError("must be credits=price, several separated by commas, such as 200=5,1000=22.50")
    return found


def _names(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class Elsewhere(BaseSettings):
    """What is left to others: pictures to providers, prompts to a language model, money to Stripe.

    A provider gets `provider_slots` images at once; `idempotent_providers` keep idempotency keys;
    `fallback_after_charge` lets others stand in where one may have charged. `upsampler_model` at `upsampler_url`, where
    chat completions of OpenAI's language are spoken, writes prompts out; one answer may take `upsampler_timeout`.
    `credit_packs` are sold where both secrets of Stripe are set: `200=5` is 200 credits for 5 of `currency`;
    pages and quotes tell prices in dollars, by `usd_per_credit`.
    """

    replicate_token: SecretStr | None = None
    replicate_url: str | None = None
    fal_key: SecretStr | None = None
    fal_url: str | None = None
    bfl_key: SecretStr | None = None
    bfl_url: str | None = None
    openai_key: SecretStr | None = None
    openai_url: str | None = None
    provider_slots: int = Field(8, ge=1, le=1000)
    idempotent_providers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    fallback_after_charge: bool = False
    upsampler_url: str | None = None
    upsampler_key: SecretStr | None = None
    upsampler_model: str | None = None
    upsampler_timeout: Annotated[timedelta, NoDecode, BeforeValidator(_duration)] = timedelta(seconds=60)
    stripe_secret: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_api: str = "https://api.stripe.com"
    usd_per_credit: Decimal = Field(Decimal("0.025"), gt=0, max_digits=12)
    currency: str = Field("usd", pattern=r"^[a-z]{3}$")
    credit_packs: Annotated[Mapping[str, str], NoDecode, BeforeValidator(_packs)] = Field(
        default_factory=lambda: {"200": "5", "1000": "25", "4000": "100"}
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Elsewhere:
        if (self.stripe_secret is None) != (self.stripe_webhook_secret is None):
            raise ValueError(
                "FLUXHOUSE_STRIPE_SECRET and FLUXHOUSE_STRIPE_WEBHOOK_SECRET are set together or not at all"
            )
        if (self.upsampler_url is None) != (self.upsampler_model is None):
            raise ValueError("FLUXHOUSE_UPSAMPLER_URL and FLUXHOUSE_UPSAMPLER_MODEL are set together or not at all")
        return self


class Settings(Elsewhere):
    """One field per variable: `output_ttl` is `FLUXHOUSE_OUTPUT_TTL`, and `data_folder` is `FLUXHOUSE_DATA`.

    `models` says which weights make which models: `flux-dev=/folder,flux-schnell=owner/name`, see engine/sources.py, or
    which provider: `flux-pro=bfl|replicate:owner/name`, where `|` separates those who stand in for the ones before;
    `*` stands for every model without an entry of its own, and `testcard` in place of a folder for pictures that cost
    nothing. Empty, the built-in model makes them all. `model_bytes` bounds what they take of the device's memory; an
    engine that ends no step for `hang_after`, and ten times what it should take, is started again. LoRAs
    come from `hf_url` and `civitai_url`, whose tokens give every caller what they may read; files that no account has
    registered take at most `lora_bytes`. `sign_up` lets strangers make accounts. `device` is the engine's, `threads`
    too; None leaves their number to the machine. `safety_checker` is a folder or repository as in `models`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_prefix_target="all", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    data_folder: Path = Field(Path("fluxhouse-data"), alias="data")
    database_url: str | None = None
    storage_url: str | None = None
    public_url: str | None = None
    models: Annotated[Mapping[str, str], NoDecode, BeforeValidator(_pairs)] = Field(default_factory=dict)
    secret: SecretStr | None = None
    output_ttl: Annotated[timedelta, NoDecode, BeforeValidator(_duration)] = timedelta(hours=24)
    egress_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    sign_up: bool = False
    hf_url: str = "https://huggingface.co"
    hf_token: SecretStr | None = None
    civitai_url: str = "https://civitai.com"
    civitai_token: SecretStr | None = None
    lora_bytes: int = Field(20 * 1000**3, ge=1)
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$")
    threads: int | None = Field(None, ge=1, le=1024)
    model_bytes: Annotated[int | None, NoDecode, BeforeValidator(_size)] = None
    safety_checker: str | None = None
    hang_after: Annotated[timedelta, NoDecode, BeforeValidator(_duration)] = timedelta(minutes=5)
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    @field_validator("data_folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"sqlite:////[^?]+|postgres(ql)?://[^/]*/[^/?]+(\?.*)?", url):
            raise ValueError("must be sqlite:////absolute/path or postgresql://user:password@host/name")
        return url if url is None else re.sub(r"^postgres://", "postgresql://", url)

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, url: str | None) -> str | None:
        if url is None or url.startswith(("/", "file:///")):
            return url
        if url.startswith(SCHEME):
            Bucket.parse(url)
            return url
        raise ValueError("must be /absolute/folder, file:///absolute/folder or s3://bucket[/prefix]")

    @model_validator(mode="after")
    def _fit_for_a_fleet(self) -> Settings:
        if not self.is_fleet:
            return self
        if self.secret is None:
            raise ValueError("FLUXHOUSE_SECRET is required with PostgreSQL: the same for every process")
        if self.storage_url is None:
            raise ValueError(
                "FLUXHOUSE_STORAGE_URL is required with PostgreSQL: s3://bucket, or a folder that every host shares"
            )
        return self

    @field_validator(
        "public_url", "hf_url", "civitai_url", "replicate_url", "fal_url", "bfl_url", "openai_url", "stripe_api",
        "upsampler_url",
    )  # fmt: skip
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an address such as https://images.example.com")
        return url.rstrip("/")

    @field_validator("secret")
    @classmethod
    def _long(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"must have at least {_SHORTEST_SECRET} characters")
        return secret

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """Who makes each model of `models`, in the order in which they are asked."""
        return {
            model: tuple(source.strip() for source in route.split("|") if source.strip())
            for model, route in self.models.items()
        }

    @property
    def database_address(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.data_folder / 'fluxhouse.db'}"

    @property
    def is_fleet(self) -> bool:
        """Whether any number of processes on any number of hosts may serve and work: the database is PostgreSQL."""
        return self.database_url is not None and self.database_url.startswith("postgresql://")

    @property
    def database_name(self) -> str:
        """The database as it may be shown: a file's path, or an address without its password."""
        return _without_password(self.database_address).removeprefix("sqlite:///")

    @property
    def storage_folder(self) -> Path | None:
        """The folder where image bytes live; None where they live in a bucket."""
        if self.storage_url is None:
            return self.files_folder
        return None if self.storage_url.startswith(SCHEME) else Path(unquote(self.storage_url.removeprefix("file://")))

    @property
    def files_folder(self) -> Path:
        """Where image bytes live unless the storage URL says otherwise, and copies of what lies elsewhere."""
        return self.data_folder / "files"

    @property
    def address(self) -> str:
        """Where callers reach this server: what output URLs begin with."""
        if self.public_url is not None:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def dtype(self) -> str:
        """The type in which models compute on the device."""
        return "float32" if self.device == "cpu" else "bfloat16"

    def shown(self) -> dict[str, str]:
        """Every variable by its name and value, secrets hidden."""
        return {
            variable(name): "" if (value := getattr(self, name)) is None else _without_password(_spelled(value))
            for name in type(self).model_fields
        }


def variable(field: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[field].alias if field in Settings.model_fields else None
    return PREFIX + (alias or field).upper()


def read_settings(**given: Any) -> Settings:
    """The settings of this process; `given` (None is absent) goes before the environment.

    Raises `SettingsRefused` for an unknown variable and for a malformed value.
    """
    known = {variable(field) for field in Settings.model_fields}
    for name in sorted(os.environ):
        ours = name.upper().startswith(PREFIX) and not name.startswith(_FOR_TESTS) and name.upper() not in _OF_CLIENTS
        if ours and name.upper() not in known:
            raise SettingsRefused(f"{name} is not a setting; there are {', '.join(sorted(known))}")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsRefused("; ".join(_complaint(detail) for detail in error.errors())) from None


def _complaint(detail: Mapping[str, Any]) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{variable(str(detail['loc'][0]))}: {message}" if detail["loc"] else message


def _without_password(text: str) -> str:
    """`text`, and where it is an address with a password, the address without it."""
    return re.sub(r"^(\w+://[^/:@]*):[^/@]*@", r"\1:***@", text)


def _spelled(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={folder}" for name, folder in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, timedelta):
        return f"{int(value.total_seconds())}s"
    return str(value)
