-- :name catalog_objects  :params schema text, role text
-- A whole PostgreSQL schema as rows of one shape, in the order in which catalog.c takes them. 'pg_temp'
-- is the session's own temporary one. Definitions name what is visible without its schema, so the
-- caller's search_path is the schema that is read.
WITH space AS (
    SELECT CASE $1 WHEN 'pg_temp' THEN pg_my_temp_schema()
                   ELSE (SELECT oid FROM pg_namespace WHERE nspname = $1) END AS oid
), relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.reloptions
      FROM pg_class c JOIN space ON c.relnamespace = space.oid
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relname NOT IN ('windlass_migrations', 'windlass_schema')
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                          AND d.objid = c.oid AND d.deptype = 'e')
), object AS (
SELECT 'role' AS kind, '' AS parent, '' AS name, '' AS sql, '' AS extra, '' AS rights,
       has_schema_privilege(r.oid, space.oid, 'USAGE') AS flag, 0::float8 AS place
  FROM pg_roles r, space WHERE r.rolname = $2 AND space.oid IS NOT NULL
UNION ALL
SELECT 'enum', t.typname, e.enumlabel, '', '', '', false, e.enumsortorder
  FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN space ON t.typnamespace = space.oid
UNION ALL
SELECT 'table', '', t.relname, coalesce(pg_get_partkeydef(t.oid), ''),
       coalesce((SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(t.reloptions) o), ''),
       coalesce((SELECT CASE WHEN r.oid = t.relowner THEN '*' ELSE
                        (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type COLLATE "C")
                           FROM aclexplode(t.relacl) x WHERE x.grantee = r.oid) END
                   FROM pg_roles r WHERE r.rolname = $2), ''),
       false, 0
  FROM relation t
UNION ALL
SELECT 'column', t.relname, a.attname, format_type(a.atttypid, a.atttypmod),
       coalesce(pg_get_expr(d.adbin, d.adrelid), ''), '', a.attnotnull, a.attnum
  FROM relation t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint', t.relname, k.conname, pg_get_constraintdef(k.oid), k.contype::text, '', false, 0
  FROM relation t JOIN pg_constraint k ON k.conrelid = t.oid
 WHERE k.contype IN ('p', 'c', 'f', 'u', 'x')
UNION ALL
SELECT 'index', t.relname, i.relname,
       substring(pg_get_indexdef(i.oid) FROM ' USING (.*)$'), '', '', x.indisunique, 0
  FROM relation t JOIN pg_index x ON x.indrelid = t.oid AND x.indisvalid
  JOIN pg_class i ON i.oid = x.indexrelid
 WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT 'function', '', p.proname, substring(pg_get_functiondef(p.oid) FROM '\(.*$'), '',
       coalesce((SELECT CASE WHEN r.oid = p.proowner THEN '*' ELSE
                        (SELECT string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type COLLATE "C")
                           FROM aclexplode(p.proacl) x WHERE x.grantee = r.oid) END
                   FROM pg_roles r WHERE r.rolname = $2), ''),
       EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                WHERE x.grantee = 0), 0
  FROM pg_proc p JOIN space ON p.pronamespace = space.oid
 WHERE p.prokind IN ('f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                      AND d.objid = p.oid AND d.deptype = 'e')
)
SELECT kind, parent, name, sql, extra, rights, flag FROM object
 ORDER BY kind, parent COLLATE "C", place, name COLLATE "C";
