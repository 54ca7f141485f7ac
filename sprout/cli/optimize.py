"""`sprout optimize`: solve for the mix of levels and show why."""

from sprout.cli import options, output


def optimize(
    model: options.Model = None,
    variants: options.Variants = None,
    directives: options.Directives = None,
    zone: options.Zone = None,
    intensity: options.Intensity = None,
    tolerance: options.Tolerance = None,
    policy: options.Policy = None,
    class_floor: options.ClassFloor = None,
    confidence: options.Confidence = None,
    max_tokens: options.MaxTokens = None,
    parallel: options.Parallel = None,
    threads: options.Threads = None,
    gpu_layers: options.GpuLayers = None,
    pue: options.Pue = None,
    embodied: options.Embodied = None,
    strict: options.Strict = False,
    state: options.State = None,
    config: options.ConfigFile = None,
    json: options.Json = False,
    quiet: options.QuietResults = False,
) -> None:
    """Solve for the mix of levels now, and show what it was chosen by.

    Shows each level's share of the prompts, the carbon and preference expected of that mix against
    all prompts at L0, the least preference allowed (the floor) with its price in carbon, and where
    every input came from. sprout-levels(7) explains the words and the programme.

    Example: sprout optimize --intensity 300
    """
    with output.command("optimize", json=json, quiet=quiet) as out:
        from sprout.cli import wiring
        from sprout.config.sources import load
        from sprout.planning.planner import make
        from sprout.planning.strict import check_strict
        from sprout.report import terminal
        from sprout.state.plans import Plans
        from sprout.state.store import Store

        configured = load(
            {
                "model": model,
                "variants": variants,
                "directives": directives,
                "zone": zone,
                "tolerance": tolerance,
                "policy": policy,
                "class_floor": class_floor,
                "confidence": confidence,
                "max_tokens": max_tokens,
                "parallel": parallel,
                "threads": threads,
                "gpu_layers": gpu_layers,
                "pue": pue,
                "embodied": embodied,
                "state": state,
            },
            config,
        )
        settings = configured.settings
        now = wiring.utc_now()
        with Store.open(settings.state) as store:
            power = wiring.open_power(configured)
            known = wiring.know(store, configured, power, intensity)
            rate = wiring.embodied_rate(settings, len(power.gpu_uuids))
            snapshot = known.snapshot(now)
            if strict:
                check_strict(snapshot, known.directives)
            options_ = wiring.plan_options(settings, rate)
            plan = make(snapshot, known.directives, options_, now)
            Plans(store).add(plan, None)
        ahead = terminal.ahead_data(snapshot.coming) if snapshot.coming else None
        out.data |= terminal.plan_data(plan) | {
            "ahead": ahead,
            "embodied_preset": rate.preset,
            "embodied_g_per_s": rate.g_per_s,
            "embodied_detail": rate.detail,
            "pue": settings.pue,
        }
        out.table(terminal.plan_table(plan))
        if plan.classes:
            out.table(terminal.classes_table(plan))
        for line in terminal.plan_lines(plan):
            out.text(line)
        if ahead is not None:
            out.text(terminal.ahead_line(ahead))
        out.text(f"embodied  {rate.preset}, {rate.g_per_s:.3g} g per busy second ({rate.detail})")
        out.text(f"PUE  {settings.pue:g}")
