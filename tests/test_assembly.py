"""The assembly builds what the settings say, takes one data folder for itself, and puts everything away again."""

import asyncio
import stat

import pytest

from fluxhouse import builtin
from fluxhouse.assembly import (
    EngineMissing,
    assemble,
    backends,
    make_backends,
    pepper,
    read_secret,
    require_engine_packages,
    write_private,
)
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.jobs import JobState
from fluxhouse.core.reconcile import reconcile
from fluxhouse.database.lock import FolderInUse
from fluxhouse.dialects.dialect import Order
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import StepDone
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.settings import Settings, SettingsRefused

CATALOG = Catalog.load()
IDS = {model.id for model in CATALOG.models}


def test_without_weights_the_builtin_model_stands_in_for_all(tmp_path):
    """Every model is served by one engine that says whose pictures these are, with its own defaults."""
    made = make_backends(Settings(data=tmp_path), CATALOG)
    assert set(made.serving) == IDS
    assert {facts.backend for facts in made.serving.values()} == {builtin.NAME}
    assert {facts.steps for facts in made.serving.values()} == {builtin.DEFAULT_STEPS}
    assert len(made.engines) == 1
    assert not made.engines[0].ready


@pytest.fixture
def weights(bare_checkpoint):
    """Folders that look like checkpoints from outside."""

    def make(name, guided, is_builtin=False):
        folder = bare_checkpoint(name, guided)
        if is_builtin:
            (folder / builtin.MARKER).write_text("{}")
        return str(folder)

    return make


def test_real_weights_serve_only_what_they_are_named_for(tmp_path, weights):
    """Once real weights are configured, ids without any are not served; defaults are those of the checkpoint's kind."""
    models = {"flux-dev": weights("dev", True), "flux-schnell": weights("schnell", False)}
    serving = make_backends(Settings(data=tmp_path, models=models), CATALOG).serving
    assert set(serving) == {"flux-dev", "flux-schnell"}
    assert (serving["flux-dev"].steps, serving["flux-dev"].guidance) == (28, 3.5)
    assert (serving["flux-schnell"].steps, serving["flux-schnell"].guidance) == (4, None)
    assert serving["flux-dev"].backend == "fluxhouse-engine"


def test_a_fill_checkpoint_has_its_own_guidance(tmp_path, bare_checkpoint):
    """It repaints and makes pictures, and is refused for a model that edits by references."""
    fill = str(bare_checkpoint("fill", channels=384))
    serving = make_backends(Settings(data=tmp_path, models={"flux-fill-dev": fill}), CATALOG).serving
    assert (serving["flux-fill-dev"].steps, serving["flux-fill-dev"].guidance) == (28, 30.0)
    with pytest.raises(SettingsRefused, match="Fill checkpoint, which cannot serve flux-kontext-dev"):
        make_backends(Settings(data=tmp_path, models={"flux-kontext-dev": fill}), CATALOG)


def test_a_repository_that_is_not_here_is_refused(tmp_path):
    """Nothing is fetched at the start: the error says by which command it comes."""
    with pytest.raises(SettingsRefused, match=r"FLUXHOUSE_MODELS: .*fluxhouse models pull house/none"):
        make_backends(Settings(data=tmp_path, models={"flux-dev": "house/none"}), CATALOG)


def test_the_builtin_model_is_never_passed_off_as_something_else(tmp_path, weights):
    """A copy of it, named in the settings, still answers under its own name, in an engine of its own."""
    models = {"flux-dev": weights("dev", True), "*": weights("copy", True, is_builtin=True)}
    made = make_backends(Settings(data=tmp_path, models=models), CATALOG)
    assert made.serving["flux-dev"].backend == "fluxhouse-engine"
    assert made.serving["flux-pro"].backend == builtin.NAME
    assert len(made.engines) == 2


def test_who_moderates_is_said_of_each_model(tmp_path, weights, bare_checker):
    """Nobody, nobody because the built-in model needs none, a provider, or the checker that the settings name."""
    models = {"flux-dev": weights("dev", True), "flux-schnell": "testcard", "flux-1.1-pro": "bfl"}
    models |= {"flux-pro": weights("copy", True, is_builtin=True)}
    settings = Settings(data=tmp_path, models=models, bfl_key="bfl_a")
    said = {model: facts.moderation for model, facts in make_backends(settings, CATALOG).serving.items()}
    assert said == {"flux-dev": "none", "flux-schnell": "none", "flux-1.1-pro": "provider", "flux-pro": "builtin"}
    made = make_backends(settings.model_copy(update={"safety_checker": str(bare_checker)}), CATALOG)
    said = {model: facts.moderation for model, facts in made.serving.items()}
    assert said == {"flux-dev": "checker", "flux-schnell": "none", "flux-1.1-pro": "provider", "flux-pro": "checker"}


def test_a_safety_checker_that_is_not_fit_is_refused_by_name(tmp_path, bare_checker):
    """One that is not here comes with the command that brings it."""
    with pytest.raises(SettingsRefused, match=r"FLUXHOUSE_SAFETY_CHECKER: .*fluxhouse models pull house/none"):
        make_backends(Settings(data=tmp_path, safety_checker="house/none"), CATALOG)
    (bare_checker / "model.safetensors").unlink()
    with pytest.raises(SettingsRefused, match=r"FLUXHOUSE_SAFETY_CHECKER: .*model\.safetensors is missing"):
        make_backends(Settings(data=tmp_path, safety_checker=str(bare_checker)), CATALOG)


KEYED = {"replicate_token": "r8_a", "fal_key": "fal_a", "bfl_key": "bfl_a"}


def test_providers_serve_what_the_settings_name_them_for(tmp_path, weights):
    """In their order, under the vendor's names; `*` takes in what the vendor has, and no more."""
    models = f"flux-dev={weights('dev', True)}|replicate:me/my-dev|bfl,*=replicate"
    made = make_backends(Settings(data=tmp_path, models=models, provider_slots=3, **KEYED), CATALOG)
    assert [backend.name for backend in made.stand_ins["flux-dev"]] == ["replicate", "bfl"]
    assert made.serving["flux-dev"].backend == "fluxhouse-engine"
    assert (made.serving["flux-schnell"].backend, made.serving["flux-schnell"].steps) == ("replicate", 4)
    assert "flux-dev-multi-lora" not in made.serving
    replicate, bfl = made.providers
    assert (replicate.slots, replicate.models["flux-dev"]) == (3, "me/my-dev")
    assert replicate.models["flux-pro"] == "black-forest-labs/flux-pro"
    assert bfl.models == {"flux-dev": "flux-dev"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"models": {"flux-dev": "fal"}}, "fal needs FLUXHOUSE_FAL_KEY"),
        ({"models": {"flux-dev": "openai"}}, "openai needs FLUXHOUSE_OPENAI_KEY"),
        ({"models": {"flux-krea-dev": "bfl"}, **KEYED}, "bfl has no flux-krea-dev"),
        ({"models": {"flux-dev": "fal|fal:me/x"}, **KEYED}, "each provider once"),
        ({"models": {"flux-dev": "/a|/b"}, **KEYED}, "one checkpoint here"),
        ({"models": {"flux-dev": "fal"}, "idempotent_providers": ("fall",), **KEYED}, "there is no 'fall'"),
    ],
)
def test_routes_that_cannot_be_are_refused(tmp_path, options, said):
    """A missing key, a model that the vendor lacks and a route that asks twice are said at the start."""
    with pytest.raises(SettingsRefused, match=rf"^FLUXHOUSE_\w+: .*{said}"):
        make_backends(Settings(data=tmp_path, **options), CATALOG)


def test_a_server_of_openais_language_may_want_no_key(tmp_path):
    """Its address is enough, and a model keeps our name there unless told otherwise."""
    models = {"flux-dev": "openai", "flux-schnell": "openai:schnell-fp8"}
    made = make_backends(Settings(data=tmp_path, models=models, openai_url="http://10.0.0.2:3000/v1"), CATALOG)
    assert made.providers[0].models == {"flux-dev": "flux-dev", "flux-schnell": "schnell-fp8"}


@pytest.mark.parametrize("models", [{"flux-dve": "testcard"}, {"flux-dev": "/nowhere"}])
def test_weights_that_cannot_be_are_refused_by_name(tmp_path, models):
    """A model that is not in the catalog and a folder that holds none are said at the start."""
    with pytest.raises(SettingsRefused, match=r"FLUXHOUSE_MODELS: .*(flux-dve|/nowhere)"):
        make_backends(Settings(data=tmp_path, models=models), CATALOG)


def test_the_secret_is_made_once_and_for_the_owner_alone(tmp_path):
    """The data folder keeps one random secret, mode 600; the setting goes before it."""
    settings = Settings(data=tmp_path / "new")
    secret = read_secret(settings)
    assert len(secret) >= 32
    assert read_secret(settings) == secret
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    given = Settings(data=tmp_path / "new", secret="sesame open, said Ali Baba")
    assert read_secret(given) == b"sesame open, said Ali Baba"
    assert pepper(secret) not in (secret, pepper(read_secret(given)))


def test_a_private_file_is_not_replaced_unless_asked(tmp_path):
    """Two that make the same secret at once end with one: the second is told."""
    path = tmp_path / "secret"
    write_private(path, "first", replace=False)
    with pytest.raises(FileExistsError):
        write_private(path, "second", replace=False)
    assert path.read_text() == "first"
    write_private(path, "third", replace=True)
    assert path.read_text() == "third"
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_missing_engine_says_what_to_install(monkeypatch):
    """Without torch the refusal is one sentence with the command that helps."""
    monkeypatch.setattr(backends, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(EngineMissing, match=r"torch: install with pip install 'fluxhouse\[engine\]'"):
        require_engine_packages()


async def test_a_second_platform_on_the_folder_is_refused(tmp_path):
    """While one serves a data folder, another refuses; when it has stopped, the next may."""
    settings = Settings(data=tmp_path)
    first, second = (assemble(settings, {"*": TestCard()}) for _ in range(2))
    await first.start()
    with pytest.raises(FolderInUse):
        await second.start()
    await first.stop()
    await second.start()
    assert await second.not_ready() is None
    await second.stop()


async def test_without_worker_it_is_ready_once_the_database_answers(tmp_path):
    """A process that only takes jobs in starts no engine and is ready at once."""
    platform = assemble(Settings(data=tmp_path), works=False)
    await platform.start()
    assert await platform.not_ready() is None
    assert platform.engines == ()
    await platform.stop()


class Unwilling:
    """An engine that takes its time and then does not start."""

    name, slots, ready = "unwilling", 1, False

    def __init__(self) -> None:
        self.loading = asyncio.Event()

    async def start(self):
        await self.loading.wait()
        raise RuntimeError("the weights are bad")

    async def close(self):
        pass


async def test_a_loading_engine_is_not_ready_and_a_failed_one_says_why(tmp_path, monkeypatch):
    """The process answers while its engine loads; what kept it from starting reaches whoever waits for it."""
    platform = assemble(Settings(data=tmp_path, models={"*": "testcard"}))
    engine = Unwilling()
    platform.engines = (engine,)
    await platform.start()
    assert await platform.not_ready() == "the engine is starting"
    engine.loading.set()
    with pytest.raises(RuntimeError, match="weights are bad"):
        await platform.warmed_up()
    assert await platform.not_ready() == "the engine is not running"
    await platform.stop()


async def test_two_processes_are_one_installation(tmp_path, new_postgres):
    """What one takes in the other makes; progress, end and picture reach the first, and a cancel the other."""
    shared = {"database_url": new_postgres(), "storage_url": str(tmp_path / "files"), "secret": "0123456789abcdef"}
    api = assemble(Settings(data=tmp_path / "api", **shared), {"*": TestCard()}, works=False)
    worker = assemble(Settings(data=tmp_path / "worker", **shared), {"*": TestCard(step_seconds=0.1)})
    await api.start()
    await worker.start()
    try:
        key = await api.database.write(lambda c: opened_account(c, api.door))
        caller = await worker.door.authenticate(key, None)
        request = GenerationRequest("flux-dev", "a fox", 64, 64, seed=1, steps=12)
        order = Order("native", "flux-dev", request, 1_000_000)
        first = (await api.door.submit(caller, order)).job
        with api.door.feed.subscribe(first.id) as hints:
            async with asyncio.timeout(10):
                while not isinstance(await hints.get(), StepDone):
                    pass
        after = await api.door.wait(first.id, 20)
        assert (after.state, len(after.images)) == (JobState.SUCCEEDED, 1)
        assert await api.door.storage.get(after.images[0].key)
        second = (await api.door.submit(caller, order)).job
        with api.door.feed.subscribe(second.id) as hints:
            async with asyncio.timeout(10):
                while not isinstance(await hints.get(), StepDone):
                    pass
        await api.door.cancel(caller, second.id)
        assert (await api.door.wait(second.id, 1)).state is JobState.CANCELLED
        assert await api.database.read(reconcile) == []
        assert (await api.not_ready(), await worker.not_ready()) == (None, None)
    finally:
        await worker.stop()
        await api.stop()


def opened_account(connection, door):
    account = accounts.create(connection, "ada", door.clock.now())
    ledger.grant(connection, account.id, 100_000_000, door.clock.now(), None)
    return keys.issue(connection, account.id, door.options.pepper, door.clock.now())[1]
