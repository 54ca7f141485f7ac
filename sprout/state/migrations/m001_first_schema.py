"""Directives, intensities, profiles, plans, runs, completions and their texts."""

STATEMENTS = (
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
