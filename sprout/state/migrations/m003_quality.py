"""Sampled prompts, their answers, judges, verdicts and evaluations."""

STATEMENTS = (
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
