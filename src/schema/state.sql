-- :name state_path  :params schema text
-- For this transaction: names without a schema are made and found there.
SELECT set_config('search_path', quote_ident($1), true);

-- :name state_schema_exists  :params schema text
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1);

-- :name state_tables
SELECT to_regclass('windlass_schema') IS NOT NULL, to_regclass('windlass_migrations') IS NOT NULL;

-- :name state_make
CREATE TABLE IF NOT EXISTS windlass_schema (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    entities text NOT NULL,
    catalog text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- :name state_read
SELECT entities, catalog FROM windlass_schema;

-- :name state_write  :params entities text, catalog text
INSERT INTO windlass_schema AS s (entities, catalog) VALUES ($1, $2)
ON CONFLICT (is_only) DO UPDATE
   SET entities = excluded.entities, catalog = excluded.catalog, changed_at = now()
 WHERE (s.entities, s.catalog) IS DISTINCT FROM (excluded.entities, excluded.catalog);

-- :name migrations_make
CREATE TABLE IF NOT EXISTS windlass_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- :name migrations_read
SELECT number, name, checksum, applied_at FROM windlass_migrations ORDER BY number;

-- :name migrations_add  :params number int4, name text, checksum text
INSERT INTO windlass_migrations (number, name, checksum) VALUES ($1, $2, $3);

-- :name migrations_remove  :params number int4
DELETE FROM windlass_migrations WHERE number = $1;
