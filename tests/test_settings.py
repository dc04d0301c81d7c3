"""Settings come from the environment, and whatever is wrong there is said by its name."""

from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from fluxhouse.settings import Settings, SettingsRefused, read_settings, variable

EVERY = {
    "FLUXHOUSE_DATA": "/srv/house",
    "FLUXHOUSE_DATABASE_URL": "sqlite:////srv/other.db",
    "FLUXHOUSE_STORAGE_URL": "file:///srv/my%20pictures",
    "FLUXHOUSE_PUBLIC_URL": "https://images.example.com/",
    "FLUXHOUSE_MODELS": "flux-dev=/weights/dev, *=/weights/rest",
    "FLUXHOUSE_SECRET": "a secret of more than sixteen characters",
    "FLUXHOUSE_OUTPUT_TTL": "36h",
    "FLUXHOUSE_EGRESS_ALLOW": "10.0.0.0/8,fd00::/8",
    "FLUXHOUSE_SIGN_UP": "true",
    "FLUXHOUSE_HF_URL": "https://hub.example.com/",
    "FLUXHOUSE_HF_TOKEN": "hf_secret",
    "FLUXHOUSE_CIVITAI_URL": "https://civitai.example.com",
    "FLUXHOUSE_CIVITAI_TOKEN": "civitai_secret",
    "FLUXHOUSE_LORA_BYTES": "1000000",
    "FLUXHOUSE_REPLICATE_TOKEN": "r8_secret",
    "FLUXHOUSE_REPLICATE_URL": "http://127.0.0.1:8001/",
    "FLUXHOUSE_FAL_KEY": "fal_secret",
    "FLUXHOUSE_FAL_URL": "http://127.0.0.1:8001/fal/queue",
    "FLUXHOUSE_BFL_KEY": "bfl_secret",
    "FLUXHOUSE_BFL_URL": "https://api.eu.bfl.ai",
    "FLUXHOUSE_OPENAI_KEY": "sk_secret",
    "FLUXHOUSE_OPENAI_URL": "http://127.0.0.1:8001/v1",
    "FLUXHOUSE_PROVIDER_SLOTS": "3",
    "FLUXHOUSE_IDEMPOTENT_PROVIDERS": "replicate, fal",
    "FLUXHOUSE_FALLBACK_AFTER_CHARGE": "true",
    "FLUXHOUSE_UPSAMPLER_URL": "http://127.0.0.1:11434/v1/",
    "FLUXHOUSE_UPSAMPLER_KEY": "upsampler_secret",
    "FLUXHOUSE_UPSAMPLER_MODEL": "llama3.2",
    "FLUXHOUSE_UPSAMPLER_TIMEOUT": "90s",
    "FLUXHOUSE_STRIPE_SECRET": "stripe_secret",
    "FLUXHOUSE_STRIPE_WEBHOOK_SECRET": "whsec_secret",
    "FLUXHOUSE_STRIPE_API": "http://127.0.0.1:8420/",
    "FLUXHOUSE_USD_PER_CREDIT": "0.03",
    "FLUXHOUSE_CURRENCY": "eur",
    "FLUXHOUSE_CREDIT_PACKS": "200=5, 1000=22.50",
    "FLUXHOUSE_DEVICE": "cuda:1",
    "FLUXHOUSE_THREADS": "3",
    "FLUXHOUSE_MODEL_BYTES": "40GB",
    "FLUXHOUSE_SAFETY_CHECKER": "/weights/checker",
    "FLUXHOUSE_HANG_AFTER": "10m",
    "FLUXHOUSE_HOST": "0.0.0.0",
    "FLUXHOUSE_PORT": "9000",
    "FLUXHOUSE_LOG_LEVEL": "warning",
    "FLUXHOUSE_LOG_FORMAT": "json",
}


def test_defaults_are_those_of_a_laptop(monkeypatch, tmp_path):
    """Without any variable everything lives in one folder here, served on loopback."""
    monkeypatch.chdir(tmp_path)
    settings = read_settings()
    assert settings.data_folder == tmp_path / "fluxhouse-data"
    assert settings.database_address == f"sqlite:///{tmp_path}/fluxhouse-data/fluxhouse.db"
    assert settings.storage_folder == tmp_path / "fluxhouse-data" / "files"
    assert settings.address == "http://127.0.0.1:8000"
    assert settings.output_ttl == timedelta(hours=24)
    assert settings.models == {}


def test_every_variable_is_read(monkeypatch):
    """Each documented variable means what it says."""
    assert set(EVERY) == {variable(field) for field in Settings.model_fields}
    for name, value in EVERY.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert str(settings.data_folder) == "/srv/house"
    assert settings.database_address == "sqlite:////srv/other.db"
    assert str(settings.storage_folder) == "/srv/my pictures"
    assert settings.address == "https://images.example.com"
    assert settings.models == {"flux-dev": "/weights/dev", "*": "/weights/rest"}
    assert settings.output_ttl == timedelta(hours=36)
    assert settings.hang_after == timedelta(minutes=10)
    assert (settings.upsampler_url, settings.upsampler_model) == ("http://127.0.0.1:11434/v1", "llama3.2")
    assert settings.upsampler_timeout == timedelta(seconds=90)
    assert settings.egress_allow == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert (settings.threads, settings.port, settings.device) == (3, 9000, "cuda:1")
    assert (settings.hf_url, settings.lora_bytes) == ("https://hub.example.com", 1_000_000)
    assert (settings.replicate_url, settings.idempotent_providers) == ("http://127.0.0.1:8001", ("replicate", "fal"))
    assert (settings.provider_slots, settings.fallback_after_charge) == (3, True)
    assert (settings.stripe_api, settings.currency) == ("http://127.0.0.1:8420", "eur")
    assert settings.credit_packs == {"200": "5", "1000": "22.50"}
    assert settings.usd_per_credit == Decimal("0.03")
    assert settings.safety_checker == "/weights/checker"
    kinds = ("hf_", "r8_", "fal_", "bfl_", "sk_", "stripe_", "whsec_")
    assert not [kind for kind in kinds if f"{kind}secret" in str(settings.shown())]


def test_a_model_may_have_a_route():
    """Sources in the order in which they are asked."""
    settings = Settings(models="flux-dev=/weights/dev | fal,*=replicate")
    assert settings.sources == {"flux-dev": ("/weights/dev", "fal"), "*": ("replicate",)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLUXHOUSE_PORT", "many"),
        ("FLUXHOUSE_PORT", "70000"),
        ("FLUXHOUSE_OUTPUT_TTL", "a while"),
        ("FLUXHOUSE_OUTPUT_TTL", "0"),
        ("FLUXHOUSE_EGRESS_ALLOW", "10.0.0.0/33"),
        ("FLUXHOUSE_EGRESS_ALLOW", "10.0.0.1/8"),
        ("FLUXHOUSE_DATABASE_URL", "mysql://somewhere/else"),
        ("FLUXHOUSE_DATABASE_URL", "sqlite://relative.db"),
        ("FLUXHOUSE_STORAGE_URL", "s3://B"),
        ("FLUXHOUSE_STORAGE_URL", "pictures"),
        ("FLUXHOUSE_PUBLIC_URL", "images.example.com"),
        ("FLUXHOUSE_PUBLIC_URL", "https://images.example.com/?a=b"),
        ("FLUXHOUSE_MODELS", "flux-dev"),
        ("FLUXHOUSE_MODELS", "flux-dev=/a,flux-dev=/b"),
        ("FLUXHOUSE_MODELS", "flux-dev=|"),
        ("FLUXHOUSE_FAL_URL", "queue.fal.run"),
        ("FLUXHOUSE_SECRET", "too short"),
        ("FLUXHOUSE_CREDIT_PACKS", "200"),
        ("FLUXHOUSE_CREDIT_PACKS", "200=5,200=6"),
        ("FLUXHOUSE_CREDIT_PACKS", "200=-5"),
        ("FLUXHOUSE_CURRENCY", "Dollars"),
        ("FLUXHOUSE_USD_PER_CREDIT", "0"),
        ("FLUXHOUSE_STRIPE_API", "api.stripe.com"),
        ("FLUXHOUSE_DEVICE", "toaster"),
        ("FLUXHOUSE_THREADS", "0"),
        ("FLUXHOUSE_LOG_LEVEL", "loud"),
        ("FLUXHOUSE_DATA_FOLDER", "/srv/house"),
        ("FLUXHOUSE_PROT", "8000"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch, name, value):
    """An unknown variable and a malformed value stop the program with the variable's name, and no secret is shown."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsRefused, match=rf"^{name}\b") as refused:
        read_settings()
    assert "too short" not in str(refused.value)


def test_a_plain_variable_of_another_program_is_not_ours(monkeypatch):
    """`DATA` and `PORT` belong to somebody else."""
    monkeypatch.setenv("DATA", "/elsewhere")
    monkeypatch.setenv("PORT", "1")
    assert read_settings(data="/srv/house").data_folder.as_posix() == "/srv/house"
    assert read_settings().port == 8000


def test_a_given_value_goes_before_the_environment(monkeypatch):
    """An option of the command line wins, None is no option."""
    monkeypatch.setenv("FLUXHOUSE_PORT", "9000")
    assert read_settings(port=9001).port == 9001
    assert read_settings(port=None).port == 9000


def test_an_empty_variable_is_no_variable(monkeypatch):
    """What a compose file leaves empty keeps its default."""
    monkeypatch.setenv("FLUXHOUSE_PUBLIC_URL", "")
    assert read_settings().public_url is None


@pytest.mark.parametrize(
    ("text", "count"), [("1000", 1000), ("1.5GB", 1_500_000_000), ("40 GB", 40 * 10**9), ("", None)]
)
def test_bytes_have_units(text, count, monkeypatch):
    """A bare number counts bytes; nothing leaves it to the device."""
    monkeypatch.setenv("FLUXHOUSE_MODEL_BYTES", text)
    assert read_settings().model_bytes == count


@pytest.mark.parametrize("text", ["0", "-1", "40 gigabytes", "1e9", "GB"])
def test_other_bytes_are_refused(text, monkeypatch):
    """The error names the variable and what is allowed."""
    monkeypatch.setenv("FLUXHOUSE_MODEL_BYTES", text)
    with pytest.raises(SettingsRefused, match=r"FLUXHOUSE_MODEL_BYTES: .*40GB"):
        read_settings()


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800)])
def test_a_duration_has_a_unit_or_means_seconds(text, seconds):
    """Seconds, minutes, hours and days can be written."""
    assert Settings(output_ttl=text).output_ttl == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("box.lan", "http://box.lan:8000"),
    ],
)
def test_the_address_can_be_called(host, address):
    """What listens everywhere is called at loopback."""
    assert Settings(host=host).address == address


@pytest.mark.parametrize(
    "given", [{"upsampler_url": "http://127.0.0.1:11434/v1"}, {"upsampler_model": "llama3.2"}], ids=["url", "model"]
)
def test_a_language_model_is_named_with_its_address(given):
    """One of the two alone would only be noticed by the first request."""
    with pytest.raises(SettingsRefused, match="FLUXHOUSE_UPSAMPLER_URL and FLUXHOUSE_UPSAMPLER_MODEL"):
        read_settings(**given)


def test_settings_are_frozen_and_keep_their_secret():
    """Nobody changes a setting later, and no output of them shows the secret."""
    settings = Settings(secret="sesame open, said Ali Baba")
    with pytest.raises(ValidationError):
        settings.port = 1
    assert "sesame" not in repr(settings) + str(settings.shown())
    assert settings.shown()["FLUXHOUSE_SECRET"]


def test_a_fleet_needs_one_secret_and_one_storage(monkeypatch):
    """With PostgreSQL both must be given, since no process may have its own; a password is never shown."""
    monkeypatch.setenv("FLUXHOUSE_DATABASE_URL", "postgres://ada:hidden-word@db/fluxhouse")
    with pytest.raises(SettingsRefused, match="FLUXHOUSE_SECRET"):
        read_settings()
    monkeypatch.setenv("FLUXHOUSE_SECRET", "0123456789abcdef")
    with pytest.raises(SettingsRefused, match="FLUXHOUSE_STORAGE_URL"):
        read_settings()
    monkeypatch.setenv("FLUXHOUSE_STORAGE_URL", "s3://pictures/of-ours")
    settings = read_settings()
    assert settings.is_fleet
    assert settings.database_address == "postgresql://ada:hidden-word@db/fluxhouse"
    assert "hidden-word" not in "".join(settings.shown().values()) + settings.database_name
