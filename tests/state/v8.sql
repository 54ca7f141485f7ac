-- The schema as m008_regions left it, with rows in each table, as that version wrote them.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'sprout','m001_first_schema','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'sprout','m002_grid','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'sprout','m003_quality','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'sprout','m004_reports','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'sprout','m005_deadlines','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'sprout','m006_variants','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'sprout','m007_eia_hours','2026-01-01 12:00:00+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'sprout','m008_regions','2026-01-01 12:00:00+00:00');
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
    ;
INSERT INTO "answers" VALUES('model','551b9b24121ac9bd','e5e46b2515c7f3e5ba5b0358672ccb56','An answer.',10,'2026-01-01T12:00:04.000Z');
CREATE TABLE baselines (
        -- Power of the idle machine, measured by `sprout profile`.
        machine TEXT NOT NULL,
        energy_method TEXT NOT NULL,
        idle_w REAL NOT NULL,             -- with the model loaded and nothing running
        duration_s REAL NOT NULL,         -- how long it was watched
        measured_at TEXT NOT NULL,
        PRIMARY KEY (machine, energy_method)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "baselines" VALUES('machine','rapl',31.5,5.0,'2026-01-01T12:00:00.000Z');
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
    ;
INSERT INTO "circumstances" VALUES(1,NULL,'model','Model','machine',8,2,0,256,'rapl',1.2,'server',0.001,'a server','DE','electricitymaps_csv (measured)',NULL,NULL);
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
        embodied_g REAL, circumstance_id INTEGER           /* NULL: not finished, or failed */,
        PRIMARY KEY (run_id, prompt_id)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "completions" VALUES('run-1','answered','897dcde0df9d17231cd92c3d3fa0d521','qa','L1','551b9b24121ac9bd','plan-20260101T120000Z-f5a057ff','2026-01-01T12:00:00.000Z','2026-01-01T12:00:04.000Z',NULL,'stop',20,10,36.0,2.0,3.0,200.0,0.002,0.002,1);
INSERT INTO "completions" VALUES('run-1','failed','5d1b0cdfde1cc43ae9f2ef2bf4cea408','','L2','60beb727499bd020',NULL,'2026-01-01T12:00:00.000Z','2026-01-01T12:00:04.000Z','too long',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "completions" VALUES('run-2','waiting','0f6fa6c3afcdbcd58726f58fa83d1965','','L0','c4c05aac6552a259','plan-20260101T120000Z-f5a057ff','2026-01-01T12:00:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE directives (
        directive_key TEXT PRIMARY KEY,   -- hash of text, placement and max_tokens
        text TEXT NOT NULL,               -- empty: no directive (level L0)
        placement TEXT NOT NULL,          -- system | suffix
        max_tokens INTEGER                -- NULL: the run's own limit
    , variant TEXT /* fingerprint of the variant's file, which is part of the key; NULL: the model itself */) STRICT
    ;
INSERT INTO "directives" VALUES('c4c05aac6552a259','','system',NULL,NULL);
INSERT INTO "directives" VALUES('551b9b24121ac9bd','Answer briefly.','suffix',NULL,NULL);
INSERT INTO "directives" VALUES('60beb727499bd020','Answer in one short sentence.','suffix',NULL,NULL);
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
    ;
INSERT INTO "evaluations" VALUES('eval-1','7e984c89a544974f','model','621b9aecd3700e66','served','asked for','["e5e46b2515c7f3e5ba5b0358672ccb56"]','2026-01-01T12:00:00.000Z','2026-01-01T12:00:04.000Z','machine','rapl','DE',200.0,36.0,2.0,0.0024,0.002);
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
    ;
INSERT INTO "grid_backtests" VALUES('DE','average','lifecycle','2026-01-01T12:00:00.000Z','2025-12-23T12:00:00.000Z','2026-01-01T12:00:00.000Z',9,0.1,0.2,0.3,'[0.1, 0.2]');
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
    ;
INSERT INTO "grid_fetches" VALUES('eia','US-CISO','lifecycle','2026-01-01T12:00:00.000Z',NULL,NULL,NULL);
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
    ;
INSERT INTO "grid_spans" VALUES('eia','US-CISO','lifecycle','2025-12-02T12:00:00.000Z','2026-01-01T12:00:00.000Z','2026-01-01T12:00:00.000Z');
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
    ;
INSERT INTO "intensities" VALUES('electricitymaps_csv','DE','2026-01-01T12:00:00.000Z',3600,250.5,'average','lifecycle',0,0,NULL,'2026-01-01T12:05:00.000Z');
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
    ;
INSERT INTO "judges" VALUES('7e984c89a544974f','reference','reference','{"kind": "reference", "name": "reference", "settings": {"version": 1}, "template": ""}',NULL,NULL,NULL,NULL,NULL,1);
CREATE TABLE plans (
        plan_id TEXT PRIMARY KEY,
        run_id TEXT,                      -- NULL: made by `sprout optimize`
        made_at TEXT NOT NULL,
        valid_until TEXT NOT NULL,
        document TEXT NOT NULL            -- the whole plan as JSON: mix, inputs, provenance
    ) STRICT
    ;
INSERT INTO "plans" VALUES('plan-20260101T120000Z-f5a057ff','run-1','2026-01-01T12:00:00.000Z','2026-01-01T13:00:00.000Z','{"id":"plan-20260101T120000Z-f5a057ff","made_at":"2026-01-01T12:00:00Z","valid_until":"2026-01-01T13:00:00Z","levels":[{"level":"L0","directive_key":"c4c05aac6552a259","share":0.42817499999999953,"energy_j":100.0,"energy_se_j":0.0,"busy_s":10.0,"new_tokens":100.0,"num_requests":3,"preference":0.37833333333333335,"carbon_g":0.008333333333333333},{"level":"L1","directive_key":"551b9b24121ac9bd","share":0.5668250000000005,"energy_j":60.0,"energy_se_j":0.0,"busy_s":6.0,"new_tokens":60.0,"num_requests":3,"preference":0.345,"carbon_g":0.005},{"level":"L2","directive_key":"60beb727499bd020","share":0.005,"energy_j":30.0,"energy_se_j":0.0,"busy_s":3.0,"new_tokens":30.0,"num_requests":3,"preference":0.27666666666666667,"carbon_g":0.0025}],"outcome":{"carbon_g":0.006414749999999999,"baseline_g":0.008333333333333333,"preference":0.35893083333333337,"base_preference":0.37833333333333335,"floor":0.3589308333333333,"is_floor_met":true,"floor_price_g":0.0009999999999999987,"margin":0.0,"window_h":null},"grid":{"intensity":{"source":"electricitymaps_csv","zone":"DE","start":"2026-01-01T12:00:00Z","duration_s":3600,"g_per_kwh":300.0,"kind":"average","factor_type":"lifecycle","is_forecast":false,"is_estimated":false,"generated_at":null,"fetched_at":"2026-01-01T12:05:00Z"},"range":{"low_g_per_kwh":100.0,"high_g_per_kwh":500.0,"source":"history of DE"},"mark":"measured","notes":[],"failure":null},"energy_method":"rapl","is_energy_estimated":false,"preference_source":"a judge","is_preference_prior":false,"notes":[],"policy":"sprout","classes":[],"num_judged":null,"options":{"tolerance":0.1,"explore":0.02,"pue":1.0,"embodied_g_per_s":0.0,"policy":null,"class_floor":0.9,"confidence":null}}');
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
    ;
INSERT INTO "profiles" VALUES('model','machine',8,2,0,256,'rapl','551b9b24121ac9bd','*',1,1.0,1.0,36.0,0.0,3.6,0.0,20.0,0.0,36.0,0.0,'2026-01-01T12:00:04.000Z');
INSERT INTO "profiles" VALUES('model','machine',8,2,0,256,'rapl','551b9b24121ac9bd','qa',1,1.0,1.0,36.0,0.0,3.6,0.0,20.0,0.0,36.0,0.0,'2026-01-01T12:00:04.000Z');
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
    ;
INSERT INTO "reservoir" VALUES('qa','e5e46b2515c7f3e5ba5b0358672ccb56',352154346625708512,'[{"role": "user", "content": "Tell me of answered."}]','{"max_tokens": 256, "temperature": 0.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": null, "stop": []}','"42"','2026-01-01T12:00:04.000Z');
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
    , finish_by TEXT /* NULL: prompts were served at once */, began_g_per_kwh REAL /* intensity when the run began, against which waiting is judged; NULL: it did not wait */) STRICT
    ;
INSERT INTO "runs" VALUES('run-1','2026-01-01T12:00:00.000Z','2026-01-01T12:00:04.000Z','prompts.jsonl','/data/answers.jsonl','model','machine','DE','rapl',1.2,'server',0.001,50.0,4.0,'2026-01-01T20:00:00.000Z',300.0);
INSERT INTO "runs" VALUES('run-2','2026-01-01T12:00:00.000Z',NULL,'prompts.jsonl',NULL,'model','machine','DE','rapl',1.2,'server',0.001,0.0,0.0,NULL,NULL);
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
    ;
INSERT INTO "tallies" VALUES('run-1',NULL,'2026-01-01T12','','L2','60beb727499bd020',1,0,1,0,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0);
INSERT INTO "tallies" VALUES('run-1',1,'2026-01-01T12','qa','L1','551b9b24121ac9bd',0,1,0,20,10,36.0,1296.0,2.0,4.0,72.0,200.0,0.002,0.002);
CREATE TABLE texts (
        -- Prompts and answers, only while keep_text is on, and only the newest of them.
        text_id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        prompt_id TEXT NOT NULL,
        chat TEXT NOT NULL,               -- JSON list of {role, content}, without the directive
        answer TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "texts" VALUES(1,'run-1','answered','[{"role": "user", "content": "Tell me of answered."}]','An answer.');
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
    ;
INSERT INTO "verdicts" VALUES('7e984c89a544974f','model','621b9aecd3700e66','best','e5e46b2515c7f3e5ba5b0358672ccb56','ffc01d0f44bb103e0267e541d230a298','eval-1','qa','qa','served','[["c4c05aac6552a259"], ["551b9b24121ac9bd"], ["60beb727499bd020"]]','[9, 2, 3]','[0, 1]',NULL,'matches: [0, 1]',NULL,NULL,NULL,'2026-01-01T12:00:04.000Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX plans_by_run ON plans (run_id, made_at);
CREATE INDEX runs_by_output ON runs (output, started_at);
CREATE INDEX texts_by_run ON texts (run_id, prompt_id);
CREATE INDEX intensities_by_duration
        ON intensities (zone, kind, factor_type, duration_s, start_utc)
    ;
CREATE INDEX reservoir_by_priority ON reservoir (task, priority);
CREATE INDEX answers_by_prompt ON answers (prompt_hash);
CREATE INDEX reservoir_by_prompt ON reservoir (prompt_hash);
CREATE INDEX verdicts_by_levels ON verdicts (model, levels_key, reading);
CREATE INDEX circumstances_by_zone ON circumstances (zone, model, intensity_source);
CREATE INDEX tallies_by_run ON tallies (run_id);
COMMIT;
