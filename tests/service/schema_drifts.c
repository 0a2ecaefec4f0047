#include "schema_drifts.h"

/* ── the drifts: the database is as the pets were, the entities as they are changed to ── */

static void missing_column(struct pets *p)
{
    pets_add_nickname(p);
}

static void extra_column(struct pets *p)
{
    p->tables[0].column_count--; /* "order" */
}

static void missing_index(struct pets *p)
{
    p->pet_indexes[p->tables[0].index_count++] =
        (struct schema_index){ STR("pets_order_ix"), false, STR("btree (\"order\")") };
}

static void extra_index(struct pets *p)
{
    p->tables[0].index_count--; /* pets_hungry_ix */
}

static void changed_index(struct pets *p)
{
    p->pet_indexes[1].sql = STR("btree (id) WHERE mood = 'calm'");
}

static void missing_default(struct pets *p)
{
    p->pet_columns[1].default_sql = STR("'Nemo'");
}

static void extra_default(struct pets *p)
{
    p->visit_columns[2].default_sql = STR("");
}

static void missing_value(struct pets *p)
{
    p->labels[p->mood.label_count++] = (struct schema_label){ STR("sleepy"), STR("SLEEPY") };
}

static void extra_value(struct pets *p)
{
    p->mood.label_count--; /* "hungry" */
    p->tables[0].index_count--;
}

static void missing_constraint(struct pets *p)
{
    p->pet_constraints[p->tables[0].constraint_count++] =
        (struct schema_constraint){ STR("pets_order_ck"), SCHEMA_CHECK,
                                    STR("CHECK (\"order\" > 0)") };
}

static void extra_constraint(struct pets *p)
{
    p->tables[0].constraint_count--; /* pets_name_ck */
}

static void changed_reference(struct pets *p)
{
    p->visit_constraints[1].sql =
        STR("FOREIGN KEY (pet_id) REFERENCES pets (id) ON DELETE SET NULL");
}

static void missing_table(struct pets *p)
{
    static const struct schema_column columns[] = { { STR("id"), SCHEMA_UUID, NULL, false,
                                                      STR("") } };
    p->tables[p->set.table_count++] = (struct schema_table){
        .name = STR("owners"), .columns = columns, .column_count = 1, .rights = STR("SELECT")
    };
}

static void extra_table(struct pets *p)
{
    p->set.table_count--; /* visits */
}

static void narrowed_type(struct pets *p)
{
    p->pet_columns[3].type = SCHEMA_INT2;
}

static void missing_function(struct pets *p)
{
    static const struct schema_function functions[] = {
        { .name = STR("pet_count"),
          .sql = STR("() RETURNS bigint LANGUAGE sql STABLE SET search_path = public, pg_temp AS "
                     "'SELECT count(*) FROM pets'") }
    };
    p->set.functions = functions;
    p->set.function_count = 1;
}

static void nothing(struct pets *p)
{
    (void)p;
}

#define LACKS_ONE "! the database lacks 1 thing that this program needs"

/* One thing that is missing is made. */
#define MISSING(what) .check = "missing " what "\n" LACKS_ONE, .sync = "done " what "\n"

/* What is there beyond the entities stays. */
#define KEPT(what)                                                                                 \
    .check = "note the database has " what " beyond what is needed\n", .migrate = "",              \
    .sync = "note kept " what ", which the entities do not have (--allow-drop drops it)\n"

/* The same whether a role is to read it or not. */
#define MISSING_TABLE                                                                              \
    .change = missing_table, MISSING("add table owners"),                                          \
    .generated = "CREATE TABLE owners (\n"                                                         \
                 "    id uuid NOT NULL\n"                                                          \
                 ");"

const struct drift drifts[] = {
    {
        .name = "missing column",
        .change = missing_column,
        MISSING("add column pets.nickname"),
        .generated = "ALTER TABLE pets ADD COLUMN nickname text DEFAULT 'none'::text NOT NULL;",
    },
    {
        .name = "extra column",
        .change = extra_column,
        KEPT("column pets.order"),
        .generated = "-- drop column pets.order: what is in it is lost\n"
                     "ALTER TABLE pets DROP COLUMN \"order\";",
    },
    {
        .name = "missing index",
        .change = missing_index,
        MISSING("add index pets_order_ix of pets"),
        .generated = "CREATE INDEX pets_order_ix ON pets USING btree (\"order\");",
    },
    {
        .name = "extra index",
        .change = extra_index,
        .check = "note the database has index pets_hungry_ix of pets beyond what is needed\n",
        .sync = "done drop index pets_hungry_ix of pets\n",
        .generated = "DROP INDEX pets_hungry_ix;",
    },
    {
        .name = "changed index",
        .change = changed_index,
        .check = "missing drop the former index pets_hungry_ix of pets\n"
                 "missing add index pets_hungry_ix of pets\n"
                 "! the database lacks 2 things that this program needs",
        .sync = "done drop the former index pets_hungry_ix of pets\n"
                "done add index pets_hungry_ix of pets\n",
        .generated =
            "DROP INDEX pets_hungry_ix;\n"
            "CREATE INDEX pets_hungry_ix ON pets USING btree (id) WHERE (mood = 'calm'::pet_mood);",
    },
    {
        .name = "index of somebody else",
        .change = nothing,
        .sql = "CREATE INDEX by_hand ON pets (\"order\")",
        KEPT("index by_hand of pets"),
    },
    {
        .name = "missing default",
        .change = missing_default,
        MISSING("set default of column pets.name"),
        .generated = "ALTER TABLE pets ALTER COLUMN name SET DEFAULT 'Nemo'::text;",
    },
    {
        .name = "extra default",
        .change = extra_default,
        MISSING("drop default of column visits.at"),
        .generated = "ALTER TABLE visits ALTER COLUMN at DROP DEFAULT;",
    },
    {
        .name = "missing enum value",
        .change = missing_value,
        MISSING("add value 'sleepy' of pet_mood"),
        .generated = "ALTER TYPE pet_mood ADD VALUE IF NOT EXISTS 'sleepy' AFTER 'hungry';",
    },
    {
        .name = "extra enum value",
        .change = extra_value,
        .check = "note the database has index pets_hungry_ix of pets beyond what is needed\n"
                 "note the database has values of pet_mood beyond what is needed\n",
        .sync = "missing remove values of pet_mood\n"
                "sql -- First give rows that hold 'hungry' another value.\n"
                "ALTER TYPE pet_mood RENAME TO pet_mood_old;\n"
                "CREATE TYPE pet_mood AS ENUM ('calm');\n"
                "ALTER TABLE pets ALTER COLUMN mood DROP DEFAULT;\n"
                "ALTER TABLE pets ALTER COLUMN mood TYPE pet_mood USING mood::text::pet_mood;\n"
                "ALTER TABLE pets ALTER COLUMN mood SET DEFAULT 'calm'::pet_mood;\n"
                "DROP TYPE pet_mood_old;\n"
                "! 1 change of the schema must be written as a migration; nothing was applied",
        .generated =
            "DROP INDEX pets_hungry_ix;\n"
            "-- remove values of pet_mood: what is stored is converted\n"
            "-- First give rows that hold 'hungry' another value.\n"
            "ALTER TYPE pet_mood RENAME TO pet_mood_old;\n"
            "CREATE TYPE pet_mood AS ENUM ('calm');\n"
            "ALTER TABLE pets ALTER COLUMN mood DROP DEFAULT;\n"
            "ALTER TABLE pets ALTER COLUMN mood TYPE pet_mood USING mood::text::pet_mood;\n"
            "ALTER TABLE pets ALTER COLUMN mood SET DEFAULT 'calm'::pet_mood;\n"
            "DROP TYPE pet_mood_old;",
    },
    {
        .name = "missing constraint",
        .change = missing_constraint,
        MISSING("add constraint pets_order_ck of pets"),
        .generated = "ALTER TABLE pets ADD CONSTRAINT pets_order_ck CHECK ((\"order\" > 0));",
    },
    {
        .name = "extra constraint",
        .change = extra_constraint,
        .check = "note the database has constraint pets_name_ck of pets beyond what is needed\n",
        .sync = "done drop constraint pets_name_ck of pets\n",
        .generated = "ALTER TABLE pets DROP CONSTRAINT pets_name_ck;",
    },
    {
        .name = "constraint of somebody else",
        .change = nothing,
        .sql = "ALTER TABLE pets ADD CHECK (\"order\" < 9)",
        KEPT("constraint pets_order_check of pets"),
    },
    {
        .name = "changed reference",
        .change = changed_reference,
        .check = "missing drop the former foreign key visits_pet_id_fk of visits\n"
                 "missing add foreign key visits_pet_id_fk of visits\n"
                 "! the database lacks 2 things that this program needs",
        .sync = "done drop the former foreign key visits_pet_id_fk of visits\n"
                "done add foreign key visits_pet_id_fk of visits\n",
        .generated = "ALTER TABLE visits DROP CONSTRAINT visits_pet_id_fk;\n"
                     "ALTER TABLE visits ADD CONSTRAINT visits_pet_id_fk FOREIGN KEY (pet_id) "
                     "REFERENCES pets(id) ON DELETE SET NULL;",
    },
    {
        .name = "missing table",
        MISSING_TABLE,
    },
    {
        .name = "extra table",
        .change = extra_table,
        KEPT("table visits"),
        .generated = "-- drop table visits: what is in it is lost\n"
                     "DROP TABLE visits;",
    },
    {
        .name = "narrowed type",
        .change = narrowed_type,
        .check = "missing change type of column pets.order from integer to smallint\n" LACKS_ONE,
        .sync =
            "missing change type of column pets.order from integer to smallint\n"
            "sql ALTER TABLE pets ALTER COLUMN \"order\" TYPE smallint USING \"order\"::smallint;\n"
            "! 1 change of the schema must be written as a migration; nothing was applied",
        .generated =
            "-- change type of column pets.order from integer to smallint: what is stored is "
            "converted\n"
            "ALTER TABLE pets ALTER COLUMN \"order\" TYPE smallint USING \"order\"::smallint;",
    },
    {
        .name = "missing function",
        .change = missing_function,
        MISSING("add function pet_count"),
        .generated = "CREATE OR REPLACE FUNCTION pet_count()\n"
                     " RETURNS bigint\n"
                     " LANGUAGE sql\n"
                     " STABLE\n"
                     " SET search_path TO 'public', 'pg_temp'\n"
                     "AS $function$SELECT count(*) FROM pets$function$\n"
                     ";\n"
                     "REVOKE EXECUTE ON FUNCTION pet_count FROM PUBLIC;",
    },
    {
        .name = "function of somebody else",
        .change = nothing,
        .sql = "CREATE FUNCTION by_hand() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        KEPT("function by_hand"),
    },
    {
        .name = "trigger of somebody else",
        .change = nothing,
        .sql = "CREATE TRIGGER by_hand BEFORE UPDATE ON pets FOR EACH ROW EXECUTE FUNCTION "
               "suppress_redundant_updates_trigger()",
        .check = "",
        .migrate = "",
        .sync = "",
    },
};

const size_t drift_count = countof(drifts);

const struct drift right_drifts[] = {
    {
        .name = "missing right",
        .change = nothing,
        .sql = "REVOKE INSERT ON pets FROM pet_reader",
        .check = "missing grant INSERT on pets to pet_reader\n" LACKS_ONE,
        .migrate = "done rights of pet_reader on 1 tables\n",
        .sync = "done grant INSERT on pets to pet_reader\n",
    },
    {
        .name = "extra right",
        .change = nothing,
        .sql = "GRANT UPDATE ON pets TO pet_reader",
        .check = "note the database has UPDATE on pets from pet_reader beyond what is needed\n",
        .migrate = "done rights of pet_reader on 1 tables\n",
        .sync = "done revoke UPDATE on pets from pet_reader\n",
    },
    {
        .name = "missing table that a role reads",
        MISSING_TABLE,
    },
};

const size_t right_drift_count = countof(right_drifts);
