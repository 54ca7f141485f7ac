"""EIA's intensities were stored an hour late: they go, so that they are fetched anew."""

STATEMENTS = (
    """
    DELETE FROM grid_backtests WHERE (zone, kind, factor_type) IN
        (SELECT zone, kind, factor_type FROM intensities WHERE source = 'eia_production_mix')
    """,
    "DELETE FROM intensities WHERE source = 'eia_production_mix'",
    # else neither `sprout grid fetch` nor `sprout grid history` would ask for them again
    "DELETE FROM grid_fetches WHERE provider = 'eia'",
    "DELETE FROM grid_spans WHERE provider = 'eia'",
)
