"""`sprout requantize`: the model's weights in another type."""

from pathlib import Path
from typing import Annotated

import typer

from sprout.cli import options, output


def requantize(
    type_name: Annotated[
        str, typer.Argument(metavar="TYPE", help="Type of the weights, such as q8_0 or q4_0.")
    ],
    out_file: Annotated[
        Path,
        typer.Option(
            "--output", "-o", readable=False, metavar="FILE", help="Write this GGUF file."
        ),
    ],
    model: options.Model = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    threads: options.Threads = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the model with its weights in another type, to try it as a variant.

    Which type is fastest depends on the machine: llama.cpp has batched kernels for some types only,
    so that on a CPU a larger file can be the faster one. `sprout profile --variants` measures it,
    and `sprout evaluate` what it does to the answers. From weights that are quantised already, a
    more exact type (bf16, q8_0) keeps what they hold, and a coarser one loses more than it would
    from the original.

    Types: bf16, f16, q8_0, q6_k, q5_k_m, q5_0, q4_k_m, iq4_nl, q4_0, q3_k_m.

    Example: sprout requantize q8_0 -o model.Q8_0.gguf
    """
    with output.command("requantize", json=json, quiet=quiet, shows=False) as out:
        from sprout.cli import requantizing
        from sprout.config.sources import load

        settings = load({"model": model, "threads": threads}, config).settings
        requantizing.write(out, settings, type_name.lower(), out_file, force=force)
