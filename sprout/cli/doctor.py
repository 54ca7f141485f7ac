"""`sprout doctor`: is everything there, and how to fix what is not."""

from sprout.cli import options, output


def doctor(
    model: options.Model = None,
    variants: options.Variants = None,
    gpu_layers: options.GpuLayers = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Check model, llama.cpp, energy counters, store and grid; say how to fix what is missing.

    Ends with exit status 78 when a run cannot work as things are.

    Example: sprout doctor
    """
    with output.command("doctor", json=json, quiet=quiet) as out:
        from sprout.cli import checkup
        from sprout.config.sources import load

        flags = {
            "model": model,
            "variants": variants,
            "gpu_layers": gpu_layers,
            "state": state,
        }
        checkup.examine(out, load(flags, config))
