"""`sprout evaluate`: measure how often each level's answer is preferred."""

from typing import Annotated

import typer

from sprout.cli import options, output


def evaluate(
    source: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="Prompts to judge [default: those that were served]."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="reference, local or endpoint [default: reference]."),
    ] = None,
    judge_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="GGUF of a local judge; model name at an endpoint."),
    ] = None,
    judge_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Endpoint, such as http://host:8000/v1.")
    ] = None,
    prompts: Annotated[
        int, typer.Option("--prompts", "-n", min=1, metavar="N", help="Judge at most N prompts.")
    ] = 50,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the sample and of the order of answers.")
    ] = 0,
    pairwise: Annotated[
        bool,
        typer.Option("--pairwise/--no-pairwise", help="Compare with L0 in both orders as well."),
    ] = True,
    retest: Annotated[
        bool, typer.Option("--retest", help="Test once more a judge that failed its test.")
    ] = False,
    when_green: Annotated[
        bool,
        typer.Option(
            "--when-green", help="Run only while the grid is green, or after 72 h; for cron."
        ),
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Show what is known; judge nothing.")
    ] = False,
    model: options.Model = None,
    variants: options.Variants = None,
    directives: options.Directives = None,
    max_tokens: options.MaxTokens = None,
    zone: options.Zone = None,
    intensity: options.Intensity = None,
    pue: options.Pue = None,
    embodied: options.Embodied = None,
    parallel: options.Parallel = None,
    threads: options.Threads = None,
    ctx: options.Ctx = None,
    gpu_layers: options.GpuLayers = None,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Say nothing but errors; what --show shows stays."),
    ] = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure how often each level's answer is preferred, for `sprout optimize` to weigh.

    Prompts are answered at every level and judged. Without FILE they are a sample of what
    `sprout run` served (up to 2,000 of each task, kept while `keep_text` is on), or, on a fresh
    store, packaged ones. The reference judge compares with the prompt's own `reference` and asks
    nobody; a local judge is a GGUF model, whose choice is read from the logits of A, B and C; an
    endpoint is any OpenAI-compatible one, its key in SPROUT_JUDGE_KEY.

    A reference is a number (the answer's last number equals it), a letter (the choice that the
    answer names), a text (the answer holds its words), a list (any of them), or one of {"number":
    42}, {"choice": "B"}, {"text": "Paris"} and {"exact": "Paris"}. Levels that match share the
    prompt's one unit of credit; prompts where none matches are counted apart. A reference or task
    that is corrected counts at the next evaluation.

    An endpoint is asked for its label as [[B]]. B as all that it says, {"best": "B"}, and "Verdict:
    B" at the end are read too; what it thinks before </think> does not count. Anything else is no
    verdict, as are two labels and an answer longer than 1,024 tokens: it is counted apart, never as
    a tie, and its words are kept.

    A judge that may err is tested first on 66 control pairs in both orders. One that does not beat
    chance (sign test, p < 0.01), or leaves more than a tenth of the pairs without a verdict, is not
    trusted: the command ends with 78, before any answer is made or another question asked, and does
    so until --retest, for an endpoint whose server was mended. SmolLM2-135M as a local judge is not
    trusted: it names the first answer 99 times in 100, right in both orders for 1 pair, wrong for 0
    and contradicting itself for 65 (p = 0.5).

    Killed at any moment, the same command continues; no question is asked, or paid for, twice.
    With --when-green a moment that is not green is no failure: status 0, and why.

    Example: sprout evaluate --prompts 30
    """
    with output.command("evaluate", json=json, quiet=quiet, verbose=verbose, shows=show) as out:
        from sprout.cli.evaluate import evaluation, verdicts
        from sprout.config.sources import load

        configured = load(
            {
                "model": model,
                "variants": variants,
                "directives": directives,
                "judge": judge,
                "judge_model": judge_model,
                "judge_url": judge_url,
                "max_tokens": max_tokens,
                "zone": zone,
                "pue": pue,
                "embodied": embodied,
                "parallel": parallel,
                "threads": threads,
                "ctx": ctx,
                "gpu_layers": gpu_layers,
                "state": state,
            },
            config,
        )
        flags = evaluation.Flags(
            source=source,
            num_prompts=prompts,
            seed=seed,
            pairwise=pairwise,
            retests=retest,
            intensity=intensity,
            waits_for_green=when_green,
        )
        if show:
            verdicts.show(out, configured)
        else:
            evaluation.evaluate(out, flags, configured)
