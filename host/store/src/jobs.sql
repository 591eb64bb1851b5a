-- Version 2: the queue of jobs.

-- All times are milliseconds since 1970.
CREATE TABLE jobs (
    number        INTEGER PRIMARY KEY,      -- the order in which they came
    id            TEXT NOT NULL UNIQUE,
    tenant        TEXT NOT NULL,
    verb          TEXT NOT NULL,
    args          TEXT NOT NULL,            -- a JSON list
    workdir       TEXT,
    submitter     TEXT NOT NULL,            -- user, plugin:NAME or schedule:ID
    key           TEXT,                     -- submitting with the same one again submits nothing
    priority      INTEGER NOT NULL,         -- the highest first
    state         TEXT NOT NULL,            -- queued, running, succeeded, failed, cancelled, dead
    paused        INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    max_attempts  INTEGER NOT NULL,
    runs          INTEGER NOT NULL DEFAULT 0,   -- like attempts, with those that were given back
    backoff       INTEGER NOT NULL,
    backoff_cap   INTEGER NOT NULL,
    timeout       INTEGER,
    not_before    INTEGER NOT NULL,
    lease         TEXT,                     -- whoever does not know it has no say about the run
    lease_until   INTEGER,
    owner         TEXT,
    cancel_asked  INTEGER NOT NULL DEFAULT 0,
    exit_code     INTEGER,
    error         TEXT,
    created       INTEGER NOT NULL,
    started       INTEGER,
    ended         INTEGER
) STRICT;
CREATE INDEX jobs_waiting ON jobs (priority DESC, not_before, number) WHERE state = 'queued' AND NOT paused;
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_ended ON jobs (ended) WHERE ended IS NOT NULL;
CREATE INDEX jobs_unfinished ON jobs (tenant, submitter) WHERE ended IS NULL;
CREATE UNIQUE INDEX jobs_key ON jobs (tenant, submitter, key) WHERE key IS NOT NULL;

CREATE TABLE job_dependencies (
    job   INTEGER NOT NULL,
    after INTEGER NOT NULL,
    PRIMARY KEY (job, after)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_dependents ON job_dependencies (after);

CREATE TABLE job_runs (
    job       INTEGER NOT NULL,
    run       INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    owner     TEXT NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    outcome   TEXT,                         -- succeeded, failed, cancelled, lost, released
    exit_code INTEGER,
    error     TEXT,
    PRIMARY KEY (job, run)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER job_removed AFTER DELETE ON jobs BEGIN
    DELETE FROM job_dependencies WHERE job = old.number OR after = old.number;
    DELETE FROM job_runs WHERE job = old.number;
END;

-- What a job looks like from outside: one that waits for others, or for a person, is not just queued.
CREATE VIEW seen_jobs AS SELECT *, CASE
        WHEN state = 'queued' AND paused THEN 'paused'
        WHEN state = 'queued' AND EXISTS (
            SELECT 1 FROM job_dependencies JOIN jobs AS earlier ON earlier.number = after
                WHERE job = jobs.number AND earlier.state <> 'succeeded') THEN 'blocked'
        ELSE state
    END AS seen_state
    FROM jobs;

CREATE TABLE schedules (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    tenant       TEXT NOT NULL,
    cron         TEXT NOT NULL,
    time_zone    TEXT NOT NULL,
    verb         TEXT NOT NULL,
    args         TEXT NOT NULL,
    workdir      TEXT,
    priority     INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    backoff      INTEGER NOT NULL,
    backoff_cap  INTEGER NOT NULL,
    timeout      INTEGER,
    max_runs     INTEGER,
    runs         INTEGER NOT NULL DEFAULT 0,
    enabled      INTEGER NOT NULL DEFAULT 1,
    next_run     INTEGER,                   -- NULL: never again
    last_run     INTEGER,
    last_job     TEXT,
    created      INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_due ON schedules (next_run) WHERE enabled;

-- One row: whether anybody may take jobs.
CREATE TABLE job_queue (paused INTEGER NOT NULL) STRICT;
INSERT INTO job_queue VALUES (0);
