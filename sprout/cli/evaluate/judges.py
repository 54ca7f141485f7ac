"""Opens the judge that the settings ask for."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sprout.cli.wiring import engine_options, utc_now
from sprout.config.keys import Keys
from sprout.config.settings import Settings
from sprout.config.sources import Config, model_path
from sprout.engine.open import fingerprint, open_chooser
from sprout.errors import NotReadyError, UsageError
from sprout.evaluate import Control
from sprout.quality import endpoint, local
from sprout.quality.completions import Address, Completions
from sprout.quality.judge import Card, Judge
from sprout.quality.reference import ReferenceJudge
from sprout.samples import lines

NO_ADDRESS = "--judge-url is no address such as http://127.0.0.1:8000/v1"


def controls() -> list[Control]:
    """Return the packaged control pairs."""
    return [Control(**json.loads(line)) for line in lines("controls")]


def card_of(settings: Settings) -> Card:
    """Return who the judge is, without loading a model."""
    match settings.judge:
        case "reference":
            return ReferenceJudge.card
        case "local":
            path = _judge_path(settings)
            return local.card(path.stem, fingerprint(path))
        case "endpoint":
            return endpoint.card(_address(settings, Keys()))


@contextmanager
def opened(config: Config, sleep: Callable[[float], None]) -> Iterator[Judge]:
    """Open the judge and close it behind the block.

    Args:
        sleep: waits for so many seconds until a busy endpoint is asked again; may raise.

    Raises:
        NotReadyError: a setting that it needs is missing.
        EngineError: a local judge cannot be loaded, or has no chat template.
    """
    settings = config.settings
    match settings.judge:
        case "reference":
            yield ReferenceJudge()
        case "local":
            chooser = open_chooser(_judge_path(settings), engine_options(settings), utc_now())
            try:
                yield local.LocalJudge(chooser, card_of(settings))
            finally:
                chooser.close()
        case "endpoint":
            address = _address(settings, config.keys)
            with Completions(address, sleep, utc_now) as completions:
                yield endpoint.EndpointJudge(completions)


def _judge_path(settings: Settings) -> Path:
    """Return the file of a local judge: its own model, or the one that answers."""
    return Path(settings.judge_model) if settings.judge_model else model_path(settings)


def _address(settings: Settings, keys: Keys) -> Address:
    if settings.judge_url is None or settings.judge_model is None:
        raise NotReadyError(
            "an endpoint judge needs `judge_url` (such as http://127.0.0.1:8000/v1) and "
            "`judge_model`: set them, or pass --judge-url and --judge-model"
        )
    _check(settings.judge_url)
    prices = (settings.judge_price_in, settings.judge_price_out)
    return Address(
        base_url=settings.judge_url,
        model=settings.judge_model,
        key=keys.get("judge_key") if "judge_key" in keys.found else None,
        timeout_s=settings.judge_timeout_s,
        usd_per_million=None if prices[0] is None or prices[1] is None else (prices[0], prices[1]),
    )


def _check(url: str) -> None:
    """Check the address of an endpoint; it is not shown, for it may hold a password.

    Raises:
        UsageError: it is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        names_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # brackets or a port that are none
        raise UsageError(NO_ADDRESS) from error
    if parts.scheme not in {"http", "https"} or not names_host:
        raise UsageError(NO_ADDRESS)
    if "@" in parts.netloc:
        raise UsageError(
            "--judge-url holds a password, which would be stored: set SPROUT_JUDGE_KEY"
        )
