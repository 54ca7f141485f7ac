"""What a report needs: how each request was counted, and sums over finished runs."""

STATEMENTS = (
    """
    CREATE TABLE circumstances (
        -- What many requests have in common: under what they were served and how their carbon was
        -- counted. Requests of equal circumstances share one row.
        circumstance_id INTEGER PRIMARY KEY,
        run_id TEXT,                      -- NULL but where the conditions were not recorded: its
                                          -- costs are then held against no other run's
        model TEXT NOT NULL,              -- fingerprint
        model_name TEXT,                  -- NULL: not recorded
        machine TEXT NOT NULL,
        parallel INTEGER,                 -- this and the next three: NULL where not recorded
        threads INTEGER,
        gpu_layers INTEGER,
        max_tokens INTEGER,
        energy_method TEXT NOT NULL,      -- nvml_counter | rapl | tdp_estimate; + joins
        pue REAL NOT NULL,
        embodied_preset TEXT NOT NULL,
        embodied_g_per_s REAL NOT NULL,   -- per busy second
        embodied_detail TEXT,             -- its arithmetic and source; NULL: not recorded
        zone TEXT NOT NULL,
        intensity_source TEXT,            -- with its mark; NULL: not recorded
        intensity_kind TEXT,              -- average | marginal; NULL: not recorded
        intensity_factor TEXT             -- lifecycle | direct | unknown; NULL: not recorded
    ) STRICT
    """,
    "CREATE INDEX circumstances_by_zone ON circumstances (zone, model, intensity_source)",
    """
    ALTER TABLE completions ADD COLUMN
        circumstance_id INTEGER           /* NULL: not finished, or failed */
    """,
    """
    CREATE TABLE tallies (
        -- Sums over the completions of finished runs, by hour: reports read these in place of
        -- millions of rows. A run that is opened again loses its own until it is finished anew.
        run_id TEXT NOT NULL,
        circumstance_id INTEGER,          -- NULL: requests that failed
        hour TEXT NOT NULL,               -- UTC, of finished_at: 2026-01-31T23
        task TEXT NOT NULL,
        level TEXT NOT NULL,
        directive_key TEXT NOT NULL,
        is_pinned INTEGER NOT NULL,       -- 1: the lines pin their directive
        num_answered INTEGER NOT NULL,
        num_failed INTEGER NOT NULL,
        num_prompt_tokens INTEGER NOT NULL,
        num_new_tokens INTEGER NOT NULL,
        energy_j REAL NOT NULL,           -- without PUE
        energy_j2 REAL NOT NULL,          -- sum of squares
        busy_s REAL NOT NULL,
        busy_s2 REAL NOT NULL,            -- sum of squares
        energy_busy_js REAL NOT NULL,     -- sum of products
        g_per_kwh REAL NOT NULL,          -- sum over requests
        operational_g REAL NOT NULL,      -- with PUE
        embodied_g REAL NOT NULL
    ) STRICT
    """,
    "CREATE INDEX tallies_by_run ON tallies (run_id)",
    # what the rows of earlier versions have in common, as far as it was recorded
    """
    CREATE TEMP TABLE counted AS
        SELECT row_number() OVER () + (SELECT coalesce(max(circumstance_id), 0) FROM circumstances)
            AS circumstance_id, run_id, plan_id
        FROM (SELECT DISTINCT run_id, plan_id FROM completions
              WHERE finished_at IS NOT NULL AND error IS NULL)
    """,
    """
    INSERT INTO circumstances
        SELECT n.circumstance_id, n.run_id, r.model, NULL, r.machine, NULL, NULL, NULL, NULL,
            r.energy_method, r.pue, r.embodied_preset, r.embodied_g_per_s, NULL,
            coalesce(json_extract(p.document, '$.grid.intensity.zone'), r.zone),
            CASE json_extract(p.document, '$.grid.mark')
                WHEN json_extract(p.document, '$.grid.intensity.source')
                THEN json_extract(p.document, '$.grid.mark')
                ELSE json_extract(p.document, '$.grid.intensity.source') || ' ('
                    || json_extract(p.document, '$.grid.mark') || ')' END,
            json_extract(p.document, '$.grid.intensity.kind'),
            json_extract(p.document, '$.grid.intensity.factor_type')
        FROM temp.counted n JOIN runs r USING (run_id) LEFT JOIN plans p USING (plan_id)
    """,
    """
    UPDATE completions SET circumstance_id = n.circumstance_id FROM temp.counted n
        WHERE completions.run_id = n.run_id AND completions.plan_id IS n.plan_id
        AND completions.finished_at IS NOT NULL AND completions.error IS NULL
    """,
    "DROP TABLE temp.counted",
)
