"""The schema, as migrations that are only ever appended. They import nothing of ours.

Units stand in the column names; times are UTC ISO-8601 text ending in Z; NULL means not known,
never zero. The comments inside each table are kept by SQLite: `.schema` shows them.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("sprout")


@migrations()
def m001_first_schema(db: Database) -> None:
    """Directives, intensities, profiles, plans, runs, completions and their texts."""
    for statement in _M001:
        db.execute(statement)


@migrations()
def m002_grid(db: Database) -> None:
    """When providers were asked, which history is there, and how well forecasts did."""
    for statement in _M002:
        db.execute(statement)


_M001 = (
    """
    CREATE TABLE directives (
        directive_key TEXT PRIMARY KEY,   -- hash of text, placement and max_tokens
        text TEXT NOT NULL,               -- empty: no directive (level L0)
        placement TEXT NOT NULL,          -- system | suffix
        max_tokens INTEGER                -- NULL: the run's own limit
    ) STRICT
    """,
    """
    CREATE TABLE intensities (
        source TEXT NOT NULL,             -- provider or file format, e.g. electricitymaps_csv
        zone TEXT NOT NULL,
        start_utc TEXT NOT NULL,
        duration_s INTEGER NOT NULL,
        g_per_kwh REAL NOT NULL,          -- gCO2eq per kWh
        kind TEXT NOT NULL,               -- average | marginal
        factor_type TEXT NOT NULL,        -- lifecycle | direct | unknown
        is_forecast INTEGER NOT NULL,     -- 0 | 1
        is_estimated INTEGER NOT NULL,    -- 0 | 1, as the source says
        generated_at TEXT,                -- when the source made it; NULL: it does not say
        fetched_at TEXT NOT NULL,
        PRIMARY KEY (zone, kind, factor_type, start_utc, source, is_forecast)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE profiles (
        -- Cost of a request at one directive under one set of conditions: decayed means, where
        -- a sample's weight halves with every 200 newer ones of its row.
        model TEXT NOT NULL,              -- fingerprint of the GGUF
        machine TEXT NOT NULL,
        parallel INTEGER NOT NULL,
        threads INTEGER NOT NULL,
        gpu_layers INTEGER NOT NULL,
        max_tokens INTEGER NOT NULL,
        energy_method TEXT NOT NULL,      -- nvml_counter | rapl | tdp_estimate; + joins
        directive_key TEXT NOT NULL,
        task TEXT NOT NULL,               -- '*': all tasks; '': requests without a task
        num_requests INTEGER NOT NULL,    -- how many in all
        weight REAL NOT NULL,             -- sum of the weights
        weight_squared REAL NOT NULL,     -- sum of the squared weights
        energy_mean_j REAL NOT NULL,
        energy_deviations_j2 REAL NOT NULL,  -- weighted sum of squared deviations
        busy_mean_s REAL NOT NULL,
        busy_deviations_s2 REAL NOT NULL,
        prompt_tokens_mean REAL NOT NULL,
        prompt_tokens_deviations REAL NOT NULL,
        new_tokens_mean REAL NOT NULL,
        new_tokens_deviations REAL NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (model, machine, parallel, threads, gpu_layers, max_tokens, energy_method,
                     directive_key, task)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE baselines (
        -- Power of the idle machine, measured by `sprout profile`.
        machine TEXT NOT NULL,
        energy_method TEXT NOT NULL,
        idle_w REAL NOT NULL,             -- with the model loaded and nothing running
        duration_s REAL NOT NULL,         -- how long it was watched
        measured_at TEXT NOT NULL,
        PRIMARY KEY (machine, energy_method)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE plans (
        plan_id TEXT PRIMARY KEY,
        run_id TEXT,                      -- NULL: made by `sprout optimize`
        made_at TEXT NOT NULL,
        valid_until TEXT NOT NULL,
        document TEXT NOT NULL            -- the whole plan as JSON: mix, inputs, provenance
    ) STRICT
    """,
    "CREATE INDEX plans_by_run ON plans (run_id, made_at)",
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        started_at TEXT NOT NULL,
        finished_at TEXT,                 -- NULL: running, or stopped before the end
        input TEXT NOT NULL,              -- path of the prompts, or '-'
        output TEXT,                      -- absolute path; NULL: standard output
        model TEXT NOT NULL,              -- fingerprint
        machine TEXT NOT NULL,
        zone TEXT NOT NULL,
        energy_method TEXT NOT NULL,
        pue REAL NOT NULL,
        embodied_preset TEXT NOT NULL,
        embodied_g_per_s REAL NOT NULL,   -- per busy second
        metered_j REAL NOT NULL,          -- the counters' difference while the run served
        idle_j REAL NOT NULL              -- of it, while no request was running
    ) STRICT
    """,
    "CREATE INDEX runs_by_output ON runs (output, started_at)",
    """
    CREATE TABLE completions (
        run_id TEXT NOT NULL,
        prompt_id TEXT NOT NULL,
        content_hash TEXT NOT NULL,       -- of chat, sampling, pinned directive and task
        task TEXT NOT NULL,               -- '': none given
        level TEXT NOT NULL,
        directive_key TEXT NOT NULL,
        plan_id TEXT,                     -- NULL: the line pins its directive
        admitted_at TEXT NOT NULL,        -- written before the first token is decoded
        finished_at TEXT,                 -- NULL: not finished; and so everything below
        error TEXT,                       -- NULL: answered; otherwise why it failed alone
        finish_reason TEXT,               -- stop | length
        num_prompt_tokens INTEGER,
        num_new_tokens INTEGER,
        energy_j REAL,                    -- its share of the metered energy, without PUE
        busy_s REAL,                      -- its token share of the engine's busy time
        duration_s REAL,                  -- latency, from joining the batch to the last token
        g_per_kwh REAL,
        operational_g REAL,               -- gCO2eq, with PUE
        embodied_g REAL,
        PRIMARY KEY (run_id, prompt_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE texts (
        -- Prompts and answers, only while keep_text is on, and only the newest of them.
        text_id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        prompt_id TEXT NOT NULL,
        chat TEXT NOT NULL,               -- JSON list of {role, content}, without the directive
        answer TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX texts_by_run ON texts (run_id, prompt_id)",
)


@migrations()
def m003_quality(db: Database) -> None:
    """Sampled prompts, their answers, judges, verdicts and evaluations."""
    for statement in _M003:
        db.execute(statement)


_M003 = (
    """
    CREATE TABLE reservoir (
        -- A fair sample of the prompts that were served, of each task; only while keep_text is on.
        task TEXT NOT NULL,               -- label as served; '': none given
        prompt_hash TEXT NOT NULL,        -- of chat and sampling
        priority INTEGER NOT NULL,        -- seeded hash; each task keeps its lowest ones
        chat TEXT NOT NULL,               -- JSON list of {role, content}, without the directive
        sampling TEXT NOT NULL,           -- JSON object
        reference TEXT,                   -- JSON of the expected answer; NULL: none given
        served_at TEXT NOT NULL,          -- last time
        PRIMARY KEY (task, prompt_hash)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX reservoir_by_priority ON reservoir (task, priority)",
    """
    CREATE TABLE answers (
        -- Answers to prompts of evaluations, one a level; only while keep_text is on.
        model TEXT NOT NULL,              -- fingerprint
        directive_key TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        answer TEXT NOT NULL,
        num_new_tokens INTEGER NOT NULL,
        answered_at TEXT NOT NULL,
        PRIMARY KEY (model, directive_key, prompt_hash)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX answers_by_prompt ON answers (prompt_hash)",
    "CREATE INDEX reservoir_by_prompt ON reservoir (prompt_hash)",
    """
    CREATE TABLE judges (
        judge_key TEXT PRIMARY KEY,       -- hash of the definition
        name TEXT NOT NULL,
        kind TEXT NOT NULL,               -- reference | local | endpoint
        definition TEXT NOT NULL,         -- JSON: template and settings; no secret
        tested_at TEXT,                   -- on control pairs; NULL: not (all of) them yet
        num_right INTEGER,                -- pairs right in both orders
        num_wrong INTEGER,                -- pairs wrong in both orders
        num_split INTEGER,                -- pairs whose orders contradict
        num_failed INTEGER,               -- pairs with an answer that names no slot
        is_trusted INTEGER NOT NULL       -- 0 | 1; whether its verdicts may steer
    ) STRICT
    """,
    """
    CREATE TABLE verdicts (
        judge_key TEXT NOT NULL,
        model TEXT NOT NULL,              -- fingerprint of who answered; '': control pairs
        levels_key TEXT NOT NULL,         -- hash of the directive keys that were compared
        reading TEXT NOT NULL,            -- best | pair | control
        prompt_hash TEXT NOT NULL,
        answers_hash TEXT NOT NULL,       -- of the answers in the order shown
        evaluation_id TEXT NOT NULL,
        task TEXT NOT NULL,               -- class it counts for
        given_task TEXT NOT NULL,         -- label as served; '': none given
        origin TEXT NOT NULL,             -- served | file | bundled
        levels TEXT NOT NULL,             -- JSON: for each slot the directive keys shown there
        lengths TEXT NOT NULL,            -- JSON: for each slot the characters of the answer
        chosen TEXT NOT NULL,             -- JSON list of slots from 0; [] when none
        fault TEXT,                       -- unparsed | refused; NULL: a slot, or none, was named
        raw TEXT,                         -- the judge's own words; NULL: not asked, or not kept
        num_prompt_tokens INTEGER,        -- of the question; NULL: not asked, or not said
        num_new_tokens INTEGER,
        price_usd REAL,                   -- NULL: not known
        judged_at TEXT NOT NULL,
        PRIMARY KEY (judge_key, prompt_hash, answers_hash, model, levels_key, reading)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX verdicts_by_levels ON verdicts (model, levels_key, reading)",
    """
    CREATE TABLE evaluations (
        evaluation_id TEXT PRIMARY KEY,
        judge_key TEXT NOT NULL,
        model TEXT NOT NULL,              -- fingerprint
        levels_key TEXT NOT NULL,
        source TEXT NOT NULL,             -- served | bundled | path of a file
        reason TEXT NOT NULL,             -- why it ran then
        drawn TEXT NOT NULL,              -- JSON list of prompt hashes
        started_at TEXT NOT NULL,
        finished_at TEXT,                 -- NULL: running, or stopped before the end
        machine TEXT NOT NULL,
        energy_method TEXT NOT NULL,
        zone TEXT NOT NULL,
        g_per_kwh REAL NOT NULL,          -- when it started
        metered_j REAL NOT NULL,          -- the counters' difference: answering and local judging
        busy_s REAL NOT NULL,             -- of it, time in which an engine worked
        operational_g REAL NOT NULL,      -- gCO2eq, with PUE; an endpoint's own are not in it
        embodied_g REAL NOT NULL
    ) STRICT
    """,
)


@migrations()
def m004_reports(db: Database) -> None:
    """What a report needs: how each request was counted, and sums over finished runs."""
    for statement in _M004:
        db.execute(statement)


_M004 = (
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


@migrations()
def m005_deadlines(db: Database) -> None:
    """What a run that may wait for greener hours remembers of its beginning."""
    for statement in _M005:
        db.execute(statement)


_M005 = (  # block comments: SQLite appends the text of a column to the table's own
    "ALTER TABLE runs ADD COLUMN finish_by TEXT /* NULL: prompts were served at once */",
    "ALTER TABLE runs ADD COLUMN began_g_per_kwh REAL /* intensity when the run began, against"
    " which waiting is judged; NULL: it did not wait */",
)


@migrations()
def m006_variants(db: Database) -> None:
    """Which variant answers what a directive's key stands for."""
    for statement in _M006:
        db.execute(statement)


_M006 = (
    "ALTER TABLE directives ADD COLUMN variant TEXT /* fingerprint of the variant's file, which is"
    " part of the key; NULL: the model itself */",
)


@migrations()
def m007_eia_hours(db: Database) -> None:
    """EIA's intensities were stored an hour late: they go, so that they are fetched anew."""
    for statement in _M007:
        db.execute(statement)


_M007 = (
    """
    DELETE FROM grid_backtests WHERE (zone, kind, factor_type) IN
        (SELECT zone, kind, factor_type FROM intensities WHERE source = 'eia_production_mix')
    """,
    "DELETE FROM intensities WHERE source = 'eia_production_mix'",
    # else neither `sprout grid fetch` nor `sprout grid history` would ask for them again
    "DELETE FROM grid_fetches WHERE provider = 'eia'",
    "DELETE FROM grid_spans WHERE provider = 'eia'",
)


@migrations()
def m008_regions(db: Database) -> None:
    """What NESO said of a region's slot after its end was stored as a forecast: an estimate."""
    for statement in _M008:
        db.execute(statement)


_M008 = (
    """
    UPDATE OR IGNORE intensities SET is_forecast = 0, is_estimated = 1
        WHERE source = 'neso' AND is_forecast = 1 AND upper(trim(zone)) NOT IN ('GB', 'UK')
        AND CAST(strftime('%s', start_utc) AS INTEGER) + duration_s
            <= CAST(strftime('%s', fetched_at) AS INTEGER)
    """,
)
_M002 = (
    # finds the rows that cover a moment whatever their length is
    """
    CREATE INDEX intensities_by_duration
        ON intensities (zone, kind, factor_type, duration_s, start_utc)
    """,
    """
    CREATE TABLE grid_fetches (
        -- The newest fetch of a zone, so that a fresh one is not repeated.
        provider TEXT NOT NULL,
        zone TEXT NOT NULL,
        factor_type TEXT NOT NULL,
        fetched_at TEXT,                  -- last success; NULL: never
        claimed_until TEXT,               -- a process is at it until then; NULL: none
        retry_at TEXT,                    -- not to be asked before; NULL: at any time
        error TEXT,                       -- why the last try failed; NULL: it did not
        PRIMARY KEY (provider, zone, factor_type)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE grid_spans (
        -- Spans of history that were fetched whole, so that `sprout grid history` resumes.
        provider TEXT NOT NULL,
        zone TEXT NOT NULL,
        factor_type TEXT NOT NULL,
        start_utc TEXT NOT NULL,
        end_utc TEXT NOT NULL,            -- exclusive
        fetched_at TEXT NOT NULL,
        PRIMARY KEY (provider, zone, factor_type, start_utc, end_utc)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE grid_backtests (
        -- The newest backtest of the forecast model on a zone's history.
        zone TEXT NOT NULL,
        kind TEXT NOT NULL,               -- average | marginal
        factor_type TEXT NOT NULL,        -- lifecycle | direct | unknown
        tested_at TEXT NOT NULL,
        first_utc TEXT NOT NULL,          -- first hour that was forecast
        last_utc TEXT NOT NULL,
        num_forecasts INTEGER NOT NULL,   -- hours forecast, over all leads
        error REAL NOT NULL,              -- mean absolute error / mean intensity, leads 1-24 h
        persistence_error REAL NOT NULL,  -- the same of "as now"
        seasonal_error REAL NOT NULL,     -- the same of "as at the same hour yesterday"
        lead_errors TEXT NOT NULL,        -- JSON list: the error by lead, 1 h first
        PRIMARY KEY (zone, kind, factor_type)
    ) STRICT, WITHOUT ROWID
    """,
)
