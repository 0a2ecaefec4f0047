-- Chat messages. Ids are UUIDv7 and so in the order of the talk; an answer's id is that of its
-- question, plus one, so that it stands right behind it and there is only one.
-- All reads of messages give the columns of enum message_column.

-- :name message_ask  :params id uuid, user_id uuid, conversation_id uuid?, new_conversation_id uuid, title text, content text, instead_of uuid?, continue_id uuid?
-- Stores a question and opens a conversation for it where none is named. A question of that id that
-- is stored already stays as it is and is told of. No row: the user is gone.
WITH stored AS MATERIALIZED (
    SELECT m.id, m.user_id, m.role, m.content, m.conversation_id
    FROM chat_messages AS m
    WHERE m.id = $1::uuid
), replaced AS MATERIALIZED (
    SELECT m.conversation_id
    FROM chat_messages AS m
    WHERE m.id = $7::uuid AND m.user_id = $2::uuid AND m.role = 'user'
), continued AS MATERIALIZED (
    SELECT m.conversation_id, m.state <> 'complete' AS is_broken_off
    FROM chat_messages AS m
    WHERE m.id = $8::uuid AND m.user_id = $2::uuid AND m.role = 'assistant'
), target AS MATERIALIZED (
    SELECT c.id
    FROM conversations AS c
    WHERE c.id = coalesce($3::uuid, (SELECT r.conversation_id FROM replaced AS r),
                          (SELECT n.conversation_id FROM continued AS n))
      AND c.user_id = $2::uuid
      AND c.deleted_at IS NULL
      AND ($7::uuid IS NULL OR c.id = (SELECT r.conversation_id FROM replaced AS r))
      AND ($8::uuid IS NULL OR c.id = (SELECT n.conversation_id FROM continued AS n WHERE n.is_broken_off))
), opened AS (
    INSERT INTO conversations AS c (id, user_id, title, message_count, last_message_at, created_at)
    SELECT $4::uuid, $2::uuid, $5::text, 1, now(), now()
    WHERE $3::uuid IS NULL AND $7::uuid IS NULL AND $8::uuid IS NULL AND NOT EXISTS (SELECT FROM stored)
    RETURNING c.id
), counted AS (
    UPDATE conversations AS c
    SET message_count = c.message_count + 1, last_message_at = now()
    FROM target AS t
    WHERE c.id = t.id AND NOT EXISTS (SELECT FROM stored)
    RETURNING c.id
), asked AS (
    INSERT INTO chat_messages AS m (id, conversation_id, role, content, user_id, timestamp, instead_of)
    SELECT $1::uuid, x.id, 'user', $6::text, $2::uuid, now(), $7::uuid
    FROM (SELECT o.id FROM opened AS o UNION ALL SELECT c.id FROM counted AS c) AS x
    RETURNING m.conversation_id
)
SELECT u.name,
       coalesce((SELECT a.conversation_id FROM asked AS a), s.conversation_id) AS conversation_id,
       EXISTS (SELECT FROM asked) AS is_asked,
       s.id IS NOT NULL AS is_stored,
       coalesce(s.user_id = u.id AND s.role = 'user', false) AS is_own,
       coalesce(s.content = $6::text, false) AS is_same,
       coalesce((SELECT c.deleted_at IS NULL FROM conversations AS c WHERE c.id = s.conversation_id),
                false) AS is_open,
       $7::uuid IS NULL OR EXISTS (SELECT FROM replaced) AS has_replaced,
       $8::uuid IS NULL OR EXISTS (SELECT FROM continued) AS has_continued,
       $8::uuid IS NULL OR coalesce((SELECT n.is_broken_off FROM continued AS n), false) AS is_broken_off
FROM users AS u
LEFT JOIN stored AS s ON true
WHERE u.id = $2::uuid;

-- :name message_history  :params id uuid, user_id uuid, row_limit int8, content_max int4
-- What was said before that question, or before the one that it replaces, the newest first.
SELECT m.id, m.role, left(m.content, $4::int4), m.instead_of
FROM chat_messages AS q
JOIN chat_messages AS m ON m.conversation_id = q.conversation_id
                       AND m.id < least(q.id, coalesce(q.instead_of, q.id))
WHERE q.id = $1::uuid AND q.user_id = $2::uuid AND m.role IN ('user', 'assistant')
ORDER BY m.id DESC
LIMIT $3::int8;

-- :name message_continued  :params id uuid, question_id uuid, user_id uuid, content_max int4
SELECT left(q.content, $4::int4), right(m.content, $4::int4)
FROM chat_messages AS m
JOIN chat_messages AS q ON q.id = $2::uuid AND q.user_id = m.user_id
WHERE m.id = $1::uuid AND m.user_id = $3::uuid AND m.role = 'assistant';

-- :name message_answer  :params id uuid, question_id uuid, user_id uuid, content text, model text?, citations jsonb, is_degraded bool, prompt_tokens int4?, completion_tokens int4?, state chat_message_state
-- Where an answer is there already, it stays. False: there is no such question of the user any more.
WITH answered AS (
    INSERT INTO chat_messages AS m (id, conversation_id, role, content, user_id, timestamp, model,
                                    citations, is_degraded, prompt_tokens, completion_tokens, state)
    SELECT $1::uuid, q.conversation_id, 'assistant', $4::text, q.user_id, now(), $5::text,
           $6::jsonb, $7::bool, $8::int4, $9::int4, $10::chat_message_state
    FROM chat_messages AS q
    WHERE q.id = $2::uuid AND q.user_id = $3::uuid
    ON CONFLICT (id) DO NOTHING
    RETURNING m.conversation_id
), counted AS (
    UPDATE conversations AS c
    SET message_count = c.message_count + 1, last_message_at = now()
    FROM answered AS a
    WHERE c.id = a.conversation_id
)
SELECT EXISTS (SELECT FROM chat_messages AS q
               WHERE q.id = $2::uuid AND q.user_id = $3::uuid) AS is_asked;

-- :name message_read_answer  :params id uuid, user_id uuid
SELECT m.id, m.conversation_id, m.role, m.content, m.user_id, m.timestamp, m.state, m.instead_of,
       m.model, m.citations, m.prompt_tokens, m.completion_tokens, m.is_degraded, 1 AS list
FROM chat_messages AS m
WHERE m.id = $1::uuid AND m.user_id = $2::uuid AND m.role = 'assistant';

-- :name message_pages_up  :params user_ids uuid[], after uuid, before uuid, row_limit int8, with_content bool, with_citations bool, with_more bool
-- A page of the messages of each user, between two ids. What is not asked for is null: printing all
-- of a row takes as long as finding it. Whether a conversation is deleted is looked up for the rows
-- that are shown: a join would go through all that are deleted. IS NOT TRUE, which the planner takes
-- for every second row; with IS NULL, one in 200, it would rather sort all messages of a user.
SELECT m.id, CASE WHEN $7::bool THEN m.conversation_id END AS conversation_id, m.role,
       CASE WHEN $5::bool THEN m.content END AS content,
       CASE WHEN $7::bool THEN m.user_id END AS user_id, m.timestamp,
       CASE WHEN $7::bool THEN m.state END AS state,
       CASE WHEN $7::bool THEN m.instead_of END AS instead_of,
       CASE WHEN $7::bool THEN m.model END AS model,
       CASE WHEN $6::bool THEN m.citations END AS citations,
       CASE WHEN $7::bool THEN m.prompt_tokens END AS prompt_tokens,
       CASE WHEN $7::bool THEN m.completion_tokens END AS completion_tokens,
       CASE WHEN $7::bool THEN m.is_degraded END AS is_degraded, p.list
FROM unnest($1::uuid[]) WITH ORDINALITY AS p (user_id, list)
CROSS JOIN LATERAL (
    SELECT x.* FROM chat_messages AS x
    WHERE x.user_id = p.user_id AND x.id > $2::uuid AND x.id < $3::uuid
      AND (SELECT c.deleted_at IS NOT NULL FROM conversations AS c
           WHERE c.id = x.conversation_id) IS NOT TRUE
    ORDER BY x.id
    LIMIT $4::int8
) AS m
ORDER BY p.list, m.id;

-- :name message_pages_down  :params user_ids uuid[], after uuid, before uuid, row_limit int8, with_content bool, with_citations bool, with_more bool
SELECT m.id, CASE WHEN $7::bool THEN m.conversation_id END AS conversation_id, m.role,
       CASE WHEN $5::bool THEN m.content END AS content,
       CASE WHEN $7::bool THEN m.user_id END AS user_id, m.timestamp,
       CASE WHEN $7::bool THEN m.state END AS state,
       CASE WHEN $7::bool THEN m.instead_of END AS instead_of,
       CASE WHEN $7::bool THEN m.model END AS model,
       CASE WHEN $6::bool THEN m.citations END AS citations,
       CASE WHEN $7::bool THEN m.prompt_tokens END AS prompt_tokens,
       CASE WHEN $7::bool THEN m.completion_tokens END AS completion_tokens,
       CASE WHEN $7::bool THEN m.is_degraded END AS is_degraded, p.list
FROM unnest($1::uuid[]) WITH ORDINALITY AS p (user_id, list)
CROSS JOIN LATERAL (
    SELECT x.* FROM chat_messages AS x
    WHERE x.user_id = p.user_id AND x.id > $2::uuid AND x.id < $3::uuid
      AND (SELECT c.deleted_at IS NOT NULL FROM conversations AS c
           WHERE c.id = x.conversation_id) IS NOT TRUE
    ORDER BY x.id DESC
    LIMIT $4::int8
) AS m
ORDER BY p.list, m.id DESC;

-- :name message_counts  :params user_ids uuid[]
-- Each conversation counts its own.
SELECT (SELECT coalesce(sum(c.message_count), 0)::int8 FROM conversations AS c
        WHERE c.user_id = p.user_id AND c.deleted_at IS NULL)
FROM unnest($1::uuid[]) WITH ORDINALITY AS p (user_id, list)
ORDER BY p.list;

-- :name message_talk_up  :params conversation_id uuid, user_id uuid, with_orphans bool, after uuid, before uuid, row_limit int8, with_content bool, with_citations bool, with_more bool
-- A page of one conversation. Orphans are what a deleted user has left.
SELECT m.id, CASE WHEN $9::bool THEN m.conversation_id END AS conversation_id, m.role,
       CASE WHEN $7::bool THEN m.content END AS content,
       CASE WHEN $9::bool THEN m.user_id END AS user_id, m.timestamp,
       CASE WHEN $9::bool THEN m.state END AS state,
       CASE WHEN $9::bool THEN m.instead_of END AS instead_of,
       CASE WHEN $9::bool THEN m.model END AS model,
       CASE WHEN $8::bool THEN m.citations END AS citations,
       CASE WHEN $9::bool THEN m.prompt_tokens END AS prompt_tokens,
       CASE WHEN $9::bool THEN m.completion_tokens END AS completion_tokens,
       CASE WHEN $9::bool THEN m.is_degraded END AS is_degraded, 1 AS list
FROM chat_messages AS m
WHERE m.conversation_id = $1::uuid
  AND (m.user_id = $2::uuid OR ($3::bool AND m.user_id IS NULL))
  AND m.id > $4::uuid AND m.id < $5::uuid
  AND NOT EXISTS (SELECT FROM conversations AS c WHERE c.id = $1::uuid AND c.deleted_at IS NOT NULL)
ORDER BY m.id
LIMIT $6::int8;

-- :name message_talk_down  :params conversation_id uuid, user_id uuid, with_orphans bool, after uuid, before uuid, row_limit int8, with_content bool, with_citations bool, with_more bool
SELECT m.id, CASE WHEN $9::bool THEN m.conversation_id END AS conversation_id, m.role,
       CASE WHEN $7::bool THEN m.content END AS content,
       CASE WHEN $9::bool THEN m.user_id END AS user_id, m.timestamp,
       CASE WHEN $9::bool THEN m.state END AS state,
       CASE WHEN $9::bool THEN m.instead_of END AS instead_of,
       CASE WHEN $9::bool THEN m.model END AS model,
       CASE WHEN $8::bool THEN m.citations END AS citations,
       CASE WHEN $9::bool THEN m.prompt_tokens END AS prompt_tokens,
       CASE WHEN $9::bool THEN m.completion_tokens END AS completion_tokens,
       CASE WHEN $9::bool THEN m.is_degraded END AS is_degraded, 1 AS list
FROM chat_messages AS m
WHERE m.conversation_id = $1::uuid
  AND (m.user_id = $2::uuid OR ($3::bool AND m.user_id IS NULL))
  AND m.id > $4::uuid AND m.id < $5::uuid
  AND NOT EXISTS (SELECT FROM conversations AS c WHERE c.id = $1::uuid AND c.deleted_at IS NOT NULL)
ORDER BY m.id DESC
LIMIT $6::int8;

-- :name message_talk_count  :params conversation_id uuid, user_id uuid, with_orphans bool
SELECT coalesce(sum(c.message_count), 0)::int8
FROM conversations AS c
WHERE c.id = $1::uuid
  AND (c.user_id = $2::uuid OR ($3::bool AND c.user_id IS NULL))
  AND c.deleted_at IS NULL;
