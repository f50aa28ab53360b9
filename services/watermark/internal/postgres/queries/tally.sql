-- name: TallyMarks :many
-- What is missing lies between the task's ends, as far as they are known, and is neither covered nor given up.
SELECT m.stage, m.state, count(*) AS marks, sum(n.missing)::bigint AS missing, sum(n.unavailable)::bigint AS unavailable
FROM watermark.marks m
CROSS JOIN LATERAL (SELECT greatest(m.floor_id, 1) AS bottom, greatest(m.floor_id, 1, m.top_id + 1, coalesce(upper(m.covered), 1)) AS behind) t
CROSS JOIN LATERAL (
    SELECT
        (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(int8multirange(int8range(t.bottom, t.behind)) - m.covered - m.unavailable) r) AS missing,
        (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(m.unavailable) r) AS unavailable
) n
WHERE m.version > 0
GROUP BY m.stage, m.state ORDER BY m.stage, m.state;
