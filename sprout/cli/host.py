"""The model and its energy meter, loaded while there is something to serve."""

from contextlib import ExitStack

from sprout.cli import wiring
from sprout.config.sources import Config, model_path
from sprout.engine.base import Engine
from sprout.engine.open import EngineOptions, open_engine
from sprout.meter.meter import Meter
from sprout.meter.sampler import Sampler
from sprout.metering import MeteredEngine


class Host:
    """Loads the model when it is wanted, and gives its memory and its idle watts back."""

    def __init__(self, config: Config, options: EngineOptions, meter: Meter) -> None:
        self._path = model_path(config.settings)
        self._options = options
        self._meter = meter
        self._stack = ExitStack()
        self._loaded: tuple[Engine, Sampler] | None = None

    def open(self) -> MeteredEngine:
        """Return the engine with new books, loaded if it was not."""
        if self._loaded is None:
            engine = open_engine(self._path, self._options, wiring.utc_now())
            self._stack.callback(engine.close)
            self._loaded = engine, self._stack.enter_context(Sampler(self._meter))
        return MeteredEngine(*self._loaded)

    def close(self) -> None:
        """Unload the model; `open` loads it again."""
        self._loaded = None
        self._stack.close()
        self._stack = ExitStack()
