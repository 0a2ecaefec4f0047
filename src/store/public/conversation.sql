-- Conversations with the assistant. What is deleted is kept for a day, then it goes with its messages.

-- :name conversation_list  :params user_id uuid, search text?, row_limit int8
-- The text may be in the title or in a message.
SELECT c.id, c.title, c.message_count, c.last_message_at, c.created_at
FROM conversations AS c
WHERE c.user_id = $1::uuid
  AND c.deleted_at IS NULL
  AND ($2::text IS NULL
       OR position(lower($2::text) IN lower(c.title)) > 0
       OR EXISTS (SELECT FROM chat_messages AS m
                  WHERE m.conversation_id = c.id
                    AND position(lower($2::text) IN lower(m.content)) > 0))
ORDER BY c.last_message_at DESC, c.id DESC
LIMIT $3::int8;

-- :name conversation_rename  :params id uuid, user_id uuid, title text
UPDATE conversations AS c
SET title = $3::text
WHERE c.id = $1::uuid AND c.user_id = $2::uuid AND c.deleted_at IS NULL
RETURNING c.id, c.title, c.message_count, c.last_message_at, c.created_at;

-- :name conversation_delete  :params id uuid, user_id uuid
UPDATE conversations AS c
SET deleted_at = now()
WHERE c.id = $1::uuid AND c.user_id = $2::uuid AND c.deleted_at IS NULL
RETURNING c.id, c.title, c.message_count, c.last_message_at, c.created_at;

-- :name conversation_restore  :params id uuid, user_id uuid, kept_s int8
UPDATE conversations AS c
SET deleted_at = NULL
WHERE c.id = $1::uuid
  AND c.user_id = $2::uuid
  AND c.deleted_at > now() - $3::int8 * interval '1 second'
RETURNING c.id, c.title, c.message_count, c.last_message_at, c.created_at;

-- :name conversation_purge  :params kept_s int8, row_limit int8
-- Some of those whose day is over, with their messages; as many rows as conversations went.
WITH gone AS MATERIALIZED (
    SELECT c.id FROM conversations AS c
    WHERE c.deleted_at <= now() - $1::int8 * interval '1 second'
    ORDER BY c.deleted_at
    LIMIT $2::int8
    FOR UPDATE SKIP LOCKED
), messages AS (
    DELETE FROM chat_messages AS m USING gone AS g WHERE m.conversation_id = g.id
)
DELETE FROM conversations AS c USING gone AS g WHERE c.id = g.id
RETURNING c.id;
