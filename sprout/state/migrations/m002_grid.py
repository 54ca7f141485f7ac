"""When providers were asked, which history is there, and how well forecasts did."""

STATEMENTS = (
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
