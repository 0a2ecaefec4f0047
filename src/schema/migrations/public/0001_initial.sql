-- initial: written by `windlass migrate generate`.
-- :up
CREATE TYPE chat_message_state AS ENUM ('complete', 'stopped', 'broken');
CREATE TYPE chat_role AS ENUM ('user', 'assistant', 'system');
CREATE TYPE insight_severity AS ENUM ('info', 'warning', 'critical');
CREATE TYPE insight_state AS ENUM ('open', 'resolved', 'dismissed');
CREATE TYPE job_status AS ENUM ('active', 'paused', 'failed');
CREATE TYPE misfire_policy AS ENUM ('skip', 'run-once', 'run-all');
CREATE TYPE overlap_policy AS ENUM ('allow', 'skip', 'cancel-running');
CREATE TYPE task_priority AS ENUM ('low', 'normal', 'high');
CREATE TYPE task_state AS ENUM ('scheduled', 'ready', 'blocked', 'retrying', 'running', 'succeeded', 'cancelled', 'dead');
CREATE TYPE task_status AS ENUM ('pending', 'in-progress', 'completed', 'failed');
CREATE TYPE token_scope AS ENUM ('api', 'lease');
CREATE TYPE user_role AS ENUM ('viewer', 'operator', 'admin');

CREATE TABLE users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    role user_role DEFAULT 'viewer'::user_role NOT NULL,
    last_seen_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_email_ck CHECK (((char_length(email) >= 3) AND (char_length(email) <= 320))),
    CONSTRAINT users_name_ck CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT users_password_hash_ck CHECK (((char_length(password_hash) >= 1) AND (char_length(password_hash) <= 512))),
    CONSTRAINT users_pkey PRIMARY KEY (id)
);

CREATE TABLE sessions (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    address text NOT NULL,
    user_agent text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_address_ck CHECK ((char_length(address) <= 128)),
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_token_hash_ck CHECK ((octet_length(token_hash) = 32)),
    CONSTRAINT sessions_user_agent_ck CHECK ((char_length(user_agent) <= 512))
);

CREATE TABLE api_tokens (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    prefix text NOT NULL,
    name text NOT NULL,
    user_id uuid NOT NULL,
    role user_role NOT NULL,
    scopes token_scope[] NOT NULL,
    task_types text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone,
    CONSTRAINT api_tokens_name_ck CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT api_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT api_tokens_prefix_ck CHECK (((char_length(prefix) >= 1) AND (char_length(prefix) <= 32))),
    CONSTRAINT api_tokens_scopes_ck CHECK (((cardinality(scopes) >= 1) AND (cardinality(scopes) <= 16))),
    CONSTRAINT api_tokens_task_types_ck CHECK ((cardinality(task_types) <= 500)),
    CONSTRAINT api_tokens_token_hash_ck CHECK ((octet_length(token_hash) = 32))
);

CREATE TABLE setup_tokens (
    token_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT setup_tokens_pkey PRIMARY KEY (token_hash),
    CONSTRAINT setup_tokens_token_hash_ck CHECK ((octet_length(token_hash) = 32))
);

CREATE TABLE installation_secrets (
    name text NOT NULL,
    value bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT installation_secrets_name_ck CHECK (((char_length(name) >= 1) AND (char_length(name) <= 100))),
    CONSTRAINT installation_secrets_pkey PRIMARY KEY (name),
    CONSTRAINT installation_secrets_value_ck CHECK (((octet_length(value) >= 16) AND (octet_length(value) <= 1024)))
);

CREATE TABLE audit_log (
    id uuid NOT NULL,
    actor_id uuid,
    actor_label text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb,
    at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_log_action_ck CHECK (((char_length(action) >= 1) AND (char_length(action) <= 100))),
    CONSTRAINT audit_log_actor_label_ck CHECK ((char_length(actor_label) <= 400)),
    CONSTRAINT audit_log_pkey PRIMARY KEY (id),
    CONSTRAINT audit_log_subject_ck CHECK ((char_length(subject) <= 400))
);

CREATE TABLE tasks (
    id uuid NOT NULL,
    type text NOT NULL,
    status task_status DEFAULT 'pending'::task_status NOT NULL,
    state task_state DEFAULT 'ready'::task_state NOT NULL,
    priority task_priority DEFAULT 'normal'::task_priority NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    result jsonb,
    error text,
    error_template text,
    queue text DEFAULT 'default'::text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    max_attempts integer DEFAULT 5 NOT NULL,
    progress double precision,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    timeout_seconds integer DEFAULT 300 NOT NULL,
    idempotency_key text,
    depends_on uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    job_id uuid,
    created_by uuid,
    why jsonb,
    accepted boolean DEFAULT true NOT NULL,
    duplicate_of uuid,
    version bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tasks_idempotency_key_ck CHECK (((char_length(idempotency_key) >= 1) AND (char_length(idempotency_key) <= 500))),
    CONSTRAINT tasks_pkey PRIMARY KEY (id),
    CONSTRAINT tasks_progress_ck CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision))),
    CONSTRAINT tasks_queue_ck CHECK (((char_length(queue) >= 1) AND (char_length(queue) <= 200))),
    CONSTRAINT tasks_type_ck CHECK (((char_length(type) >= 1) AND (char_length(type) <= 200)))
);

CREATE TABLE jobs (
    id uuid NOT NULL,
    name text NOT NULL,
    schedule text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    status job_status DEFAULT 'active'::job_status NOT NULL,
    last_run timestamp with time zone,
    next_run timestamp with time zone,
    task_type text NOT NULL,
    payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    priority task_priority DEFAULT 'normal'::task_priority NOT NULL,
    misfire_policy misfire_policy DEFAULT 'run-once'::misfire_policy NOT NULL,
    overlap_policy overlap_policy DEFAULT 'skip'::overlap_policy NOT NULL,
    max_attempts integer DEFAULT 3 NOT NULL,
    fail_after integer DEFAULT 0 NOT NULL,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    timeout_seconds integer DEFAULT 300 NOT NULL,
    jitter_seconds integer DEFAULT 0 NOT NULL,
    created_by uuid,
    accepted boolean DEFAULT true NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT jobs_name_ck CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_queue_ck CHECK (((char_length(queue) >= 1) AND (char_length(queue) <= 200))),
    CONSTRAINT jobs_schedule_ck CHECK (((char_length(schedule) >= 1) AND (char_length(schedule) <= 500))),
    CONSTRAINT jobs_task_type_ck CHECK (((char_length(task_type) >= 1) AND (char_length(task_type) <= 200))),
    CONSTRAINT jobs_time_zone_ck CHECK (((char_length(time_zone) >= 1) AND (char_length(time_zone) <= 100)))
);

CREATE TABLE conversations (
    id uuid NOT NULL,
    user_id uuid,
    title text NOT NULL,
    message_count integer DEFAULT 0 NOT NULL,
    last_message_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT conversations_pkey PRIMARY KEY (id),
    CONSTRAINT conversations_title_ck CHECK ((char_length(title) <= 200))
);

CREATE TABLE chat_messages (
    id uuid NOT NULL,
    conversation_id uuid,
    role chat_role NOT NULL,
    content text NOT NULL,
    user_id uuid,
    timestamp timestamp with time zone DEFAULT now() NOT NULL,
    state chat_message_state DEFAULT 'complete'::chat_message_state NOT NULL,
    instead_of uuid,
    model text,
    citations jsonb DEFAULT '[]'::jsonb NOT NULL,
    proposals jsonb DEFAULT '[]'::jsonb NOT NULL,
    prompt_tokens integer,
    completion_tokens integer,
    CONSTRAINT chat_messages_content_ck CHECK ((char_length(content) <= 1000000)),
    CONSTRAINT chat_messages_model_ck CHECK ((char_length(model) <= 200)),
    CONSTRAINT chat_messages_pkey PRIMARY KEY (id)
);

CREATE TABLE dashboard_insights (
    id uuid NOT NULL,
    type text NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    severity insight_severity DEFAULT 'info'::insight_severity NOT NULL,
    data jsonb,
    confidence double precision,
    recommendations text[] DEFAULT '{}'::text[] NOT NULL,
    state insight_state DEFAULT 'open'::insight_state NOT NULL,
    dismissed_reason text,
    dismissed_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT dashboard_insights_confidence_ck CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT dashboard_insights_dismissed_reason_ck CHECK ((char_length(dismissed_reason) <= 1000)),
    CONSTRAINT dashboard_insights_pkey PRIMARY KEY (id),
    CONSTRAINT dashboard_insights_title_ck CHECK (((char_length(title) >= 1) AND (char_length(title) <= 500))),
    CONSTRAINT dashboard_insights_type_ck CHECK (((char_length(type) >= 1) AND (char_length(type) <= 100)))
);
CREATE UNIQUE INDEX users_email_uq ON users USING btree (lower(email));
CREATE INDEX sessions_expires_at_ix ON sessions USING btree (expires_at);
CREATE UNIQUE INDEX sessions_token_hash_uq ON sessions USING btree (token_hash);
CREATE INDEX sessions_user_id_ix ON sessions USING btree (user_id);
CREATE UNIQUE INDEX api_tokens_token_hash_uq ON api_tokens USING btree (token_hash);
CREATE INDEX api_tokens_user_id_ix ON api_tokens USING btree (user_id);
CREATE INDEX audit_log_actor_id_ix ON audit_log USING btree (actor_id, id);
CREATE INDEX audit_log_subject_ix ON audit_log USING btree (subject, id);
CREATE INDEX tasks_failed_ix ON tasks USING btree (id) WHERE (status = 'failed'::task_status);
CREATE INDEX tasks_job_id_ix ON tasks USING btree (job_id, id) WHERE (job_id IS NOT NULL);
CREATE INDEX tasks_open_ix ON tasks USING btree (id) WHERE (status = ANY (ARRAY['pending'::task_status, 'in-progress'::task_status]));
CREATE INDEX tasks_type_ix ON tasks USING btree (type, id);
CREATE INDEX conversations_deleted_ix ON conversations USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX conversations_user_id_ix ON conversations USING btree (user_id, last_message_at);
CREATE INDEX chat_messages_conversation_id_ix ON chat_messages USING btree (conversation_id, id) WHERE (conversation_id IS NOT NULL);
CREATE INDEX chat_messages_user_id_ix ON chat_messages USING btree (user_id, id);
CREATE INDEX dashboard_insights_open_ix ON dashboard_insights USING btree (id) WHERE (state = 'open'::insight_state);
ALTER TABLE sessions ADD CONSTRAINT sessions_user_id_fk FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE api_tokens ADD CONSTRAINT api_tokens_user_id_fk FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor_id_fk FOREIGN KEY (actor_id) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE conversations ADD CONSTRAINT conversations_user_id_fk FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL;
ALTER TABLE chat_messages ADD CONSTRAINT chat_messages_user_id_fk FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL;
-- :down
-- drop table sessions: what is in it is lost
DROP TABLE sessions;
-- drop table dashboard_insights: what is in it is lost
DROP TABLE dashboard_insights;
-- drop table chat_messages: what is in it is lost
DROP TABLE chat_messages;
-- drop table conversations: what is in it is lost
DROP TABLE conversations;
-- drop table jobs: what is in it is lost
DROP TABLE jobs;
-- drop table tasks: what is in it is lost
DROP TABLE tasks;
-- drop table audit_log: what is in it is lost
DROP TABLE audit_log;
-- drop table installation_secrets: what is in it is lost
DROP TABLE installation_secrets;
-- drop table setup_tokens: what is in it is lost
DROP TABLE setup_tokens;
-- drop table api_tokens: what is in it is lost
DROP TABLE api_tokens;
-- drop table users: what is in it is lost
DROP TABLE users;
DROP TYPE chat_message_state;
DROP TYPE chat_role;
DROP TYPE insight_severity;
DROP TYPE insight_state;
DROP TYPE job_status;
DROP TYPE misfire_policy;
DROP TYPE overlap_policy;
DROP TYPE task_priority;
DROP TYPE task_state;
DROP TYPE task_status;
DROP TYPE token_scope;
DROP TYPE user_role;
