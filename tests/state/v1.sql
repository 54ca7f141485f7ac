-- The schema m001_first_schema with rows in each table, as its release wrote them.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'sprout','m001_first_schema','2026-01-01 12:00:00+00:00');
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
    ;
INSERT INTO "completions" VALUES('run-1','answered','897dcde0df9d17231cd92c3d3fa0d521','qa','L1','551b9b24121ac9bd','plan-20260101T120000Z-84bb3394','2026-01-01T12:00:00.000Z','2026-01-01T12:00:04.000Z',NULL,'stop',20,10,36.0,2.0,3.0,200.0,0.002,0.002);
INSERT INTO "completions" VALUES('run-1','failed','bafdaf157ee851c020aac6682b35a2d7','','L2','60beb727499bd020',NULL,'2026-01-01T12:00:00.000Z','2026-01-01T12:00:05.000Z','too long',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "completions" VALUES('run-1','waiting','0f6fa6c3afcdbcd58726f58fa83d1965','','L0','c4c05aac6552a259','plan-20260101T120000Z-84bb3394','2026-01-01T12:00:00.000Z',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE directives (
        directive_key TEXT PRIMARY KEY,   -- hash of text, placement and max_tokens
        text TEXT NOT NULL,               -- empty: no directive (level L0)
        placement TEXT NOT NULL,          -- system | suffix
        max_tokens INTEGER                -- NULL: the run's own limit
    ) STRICT
    ;
INSERT INTO "directives" VALUES('551b9b24121ac9bd','Answer briefly.','suffix',NULL);
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
CREATE TABLE plans (
        plan_id TEXT PRIMARY KEY,
        run_id TEXT,                      -- NULL: made by `sprout optimize`
        made_at TEXT NOT NULL,
        valid_until TEXT NOT NULL,
        document TEXT NOT NULL            -- the whole plan as JSON: mix, inputs, provenance
    ) STRICT
    ;
INSERT INTO "plans" VALUES('plan-20260101T120000Z-84bb3394','run-1','2026-01-01T12:00:00.000Z','2026-01-01T13:00:00.000Z','{"id":"plan-20260101T120000Z-84bb3394","made_at":"2026-01-01T12:00:00Z","valid_until":"2026-01-01T13:00:00Z","levels":[{"level":"L0","directive_key":"c4c05aac6552a259","share":0.42817499999999953,"energy_j":100.0,"energy_se_j":0.0,"busy_s":10.0,"new_tokens":100.0,"num_requests":3,"preference":0.37833333333333335,"carbon_g":0.008333333333333333},{"level":"L1","directive_key":"551b9b24121ac9bd","share":0.5668250000000005,"energy_j":60.0,"energy_se_j":0.0,"busy_s":6.0,"new_tokens":60.0,"num_requests":3,"preference":0.345,"carbon_g":0.005},{"level":"L2","directive_key":"60beb727499bd020","share":0.005,"energy_j":30.0,"energy_se_j":0.0,"busy_s":3.0,"new_tokens":30.0,"num_requests":3,"preference":0.27666666666666667,"carbon_g":0.0025}],"outcome":{"carbon_g":0.006414749999999999,"baseline_g":0.008333333333333333,"preference":0.35893083333333337,"base_preference":0.37833333333333335,"floor":0.3589308333333333,"is_floor_met":true,"floor_price_g":0.0009999999999999987},"grid":{"intensity":{"source":"electricitymaps_csv","zone":"DE","start":"2026-01-01T12:00:00Z","duration_s":3600,"g_per_kwh":300.0,"kind":"average","factor_type":"lifecycle","is_forecast":false,"is_estimated":false,"generated_at":null,"fetched_at":"2026-01-01T12:05:00Z"},"range":{"low_g_per_kwh":100.0,"high_g_per_kwh":500.0,"source":"history of DE"},"mark":"measured","notes":[]},"energy_method":"rapl","is_energy_estimated":false,"preference_source":"a judge","is_preference_prior":false,"notes":[]}');
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
INSERT INTO "profiles" VALUES('model','machine',8,2,0,256,'rapl','551b9b24121ac9bd','*',2,1.99654026282786789536e+00,1.99309249543703570495e+00,1.32512996496626733744e+01,1.12305052550599,1.32512996496626733744e+00,1.12305052550598794686e-02,20.0,0.0,1.3001732866216897833e+01,1.99653426756620433479e+00,'2026-01-01T12:00:00.000Z');
INSERT INTO "profiles" VALUES('model','machine',8,2,0,256,'rapl','551b9b24121ac9bd','qa',2,1.99654026282786789536e+00,1.99309249543703570495e+00,1.32512996496626733744e+01,1.12305052550599,1.32512996496626733744e+00,1.12305052550598794686e-02,20.0,0.0,1.3001732866216897833e+01,1.99653426756620433479e+00,'2026-01-01T12:00:00.000Z');
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
    ;
INSERT INTO "runs" VALUES('run-1','2026-01-01T12:00:00.000Z',NULL,'prompts.jsonl','/data/answers.jsonl','model','machine','DE','rapl',1.2,'server',0.001,50.0,4.0);
CREATE TABLE texts (
        -- Prompts and answers, only while keep_text is on, and only the newest of them.
        text_id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        prompt_id TEXT NOT NULL,
        chat TEXT NOT NULL,               -- JSON list of {role, content}, without the directive
        answer TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "texts" VALUES(1,'run-1','answered','[{"role": "user", "content": "Tell me of answered."}]','It''s "quoted"; ünïcode.
Two lines.');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX plans_by_run ON plans (run_id, made_at);
CREATE INDEX runs_by_output ON runs (output, started_at);
CREATE INDEX texts_by_run ON texts (run_id, prompt_id);
COMMIT;
