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
    typer.Option("--verbose", "-v", help="Say notes and summaries even when no terminal listens."),
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
        "--model", "-m", readable=False, metavar="FILE", help="GGUF file, or a recording (.jsonl)."
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        "--variants",
        metavar="NAME=FILE",
        help="A variant: another file of the model, as levels NAME/L0, ...; again for more.",
    ),
]
Directives = Annotated[
    str | None,
    typer.Option("--directives", metavar="SET", help="Directive set: concise, paper, or a TOML."),
]
Zone = Annotated[str | None, typer.Option("--zone", "-z", help="Grid zone, such as DE.")]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider", "-p", help="neso, energy_charts, ...: `sprout grid sources` lists them."
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
    typer.Option("--intensity", metavar="G", min=0, help="Grid intensity in gCO2eq/kWh."),
]
Tolerance = Annotated[
    float | None,
    typer.Option(help="Preference that may be given up at the dirtiest hour, 0 to 1."),
]
Policy = Annotated[
    str | None,
    typer.Option(help="Scheme: class-fair, class-robust, sprout (the paper's), base, ..."),
]
ClassFloor = Annotated[
    float | None,
    typer.Option(help="Least preference of each task, of its own at L0 (class-fair), 0 to 1."),
]
Confidence = Annotated[
    float | None,
    typer.Option(help="Margin on floors in standard deviations; 1 class-fair, 1.5 class-robust."),
]
Pue = Annotated[float | None, typer.Option(help="Power usage effectiveness of the data centre.")]
Embodied = Annotated[
    str | None,
    typer.Option(metavar="PRESET", help="server, paper, or g per busy second."),
]
Parallel = Annotated[int | None, typer.Option(help="Requests decoded at the same time.")]
Threads = Annotated[
    int | None, typer.Option(help="CPU threads; more than CPUs slow everything down.")
]
Ctx = Annotated[int | None, typer.Option(help="KV cache in tokens, shared by all requests.")]
GpuLayers = Annotated[
    int | None, typer.Option("--gpu-layers", help="Model layers on the GPU; -1 for all.")
]
MaxTokens = Annotated[int | None, typer.Option(help="New tokens per answer, at most.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse priors and estimates, naming what measures them.")
]
