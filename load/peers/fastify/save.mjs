// PUT /api/v1/items/{id}/progress: as a transaction with a statement of its own, or as one call of the function in the database that does the whole.

const saved = `coalesce(p.status, 0) AS status, coalesce(p.percent, 0) AS percent, p.score_hundredths, coalesce(p.position_ms, 0) AS position_ms,
    coalesce(p.time_spent_s, 0) AS time_spent_s, p.started_at, p.completed_at`;

// $1 tenant, $2 user, $3 item, $4 position in ms or NULL, $5 percent, $6 seconds spent, $7 completed
const statement = `
    WITH target AS (SELECT s.enrollment_id, s.kind, (s.kind = 1 AND $5::smallint >= 90) OR (s.kind IN (2, 4) AND $7::boolean) AS done
        FROM student_item($1, $2, $3) s WHERE NOT s.locked),
    saved AS (INSERT INTO progress AS p (tenant_id, enrollment_id, item_id, status, percent, position_ms, time_spent_s, started_at, completed_at)
        SELECT $1, t.enrollment_id, $3, CASE WHEN t.done THEN 2 ELSE 1 END,
            CASE WHEN t.done THEN 100 WHEN t.kind = 3 THEN 0 ELSE least($5::smallint, 99) END,
            coalesce($4::integer, 0), $6::integer, now(), CASE WHEN t.done THEN now() END FROM target t
        ON CONFLICT (tenant_id, enrollment_id, item_id) DO UPDATE SET
            status = greatest(p.status, excluded.status), percent = greatest(p.percent, excluded.percent),
            position_ms = coalesce($4::integer, p.position_ms),
            time_spent_s = p.time_spent_s + greatest(0, least(excluded.time_spent_s, 1 + ceil(extract(epoch FROM now() - p.updated_at))::integer)),
            started_at = coalesce(p.started_at, excluded.started_at), completed_at = coalesce(p.completed_at, excluded.completed_at), updated_at = now()
        RETURNING p.*),
    told AS (INSERT INTO outbox (tenant_id, topic, payload)
        SELECT p.tenant_id, 'progress.saved', jsonb_build_object('saves', jsonb_build_array(jsonb_build_object('enrollment_id', p.enrollment_id,
            'item_id', p.item_id, 'status', p.status, 'percent', p.percent, 'position_ms', p.position_ms, 'time_spent_s', p.time_spent_s))) FROM saved p)
    SELECT ${saved} FROM saved p`;

// $1 tenant, $2 session, $3 user, $4 role, $5 item, $6 position, $7 percent, $8 seconds, $9 completed
const whole = `SELECT ${saved} FROM save_progress_batch(ARRAY[$1::integer], ARRAY[$2], ARRAY[$3::bigint], ARRAY[$4::smallint], ARRAY[$5::bigint],
    ARRAY[$6::integer], ARRAY[$7::smallint], ARRAY[$8::integer], ARRAY[$9::boolean]) p WHERE p.refused = 0`;

const STATUSES = ['not_started', 'in_progress', 'completed'];

export const saveSchema = {
    params: { type: 'object', properties: { id: { type: 'integer' } } },
    body: {
        type: 'object',
        additionalProperties: false,
        properties: {
            position_s: { type: 'number', minimum: 0, maximum: 86400 },
            percent: { type: 'integer', minimum: 0, maximum: 100 },
            time_spent_s: { type: 'integer', minimum: 0, maximum: 120 },
            completed: { type: 'boolean' },
        },
    },
};

/** What is stored then; undefined: it is not theirs. */
export async function save(database, byFunction, tenant, user, itemId, body) {
    const position = body.position_s === undefined ? null : Math.round(body.position_s * 1000);
    const values = [position, body.percent ?? 0, body.time_spent_s ?? 0, body.completed ?? false];
    const [{ rows }] = byFunction
        ? [await database.alone({ name: 'save_whole', text: whole, values: [tenant, user.sid, user.sub, user.role, itemId, ...values] })]
        : await database.transaction(tenant, user, [{ name: 'save', text: statement, values: [tenant, user.sub, itemId, ...values] }]);
    return rows.length === 1 ? answer(itemId, rows[0]) : undefined;
}

const seconds = (date) => (date ? `${date.toISOString().slice(0, 19)}Z` : null);

const answer = (itemId, row) => ({
    item_id: itemId,
    status: STATUSES[row.status],
    percent: row.percent,
    score: row.score_hundredths === null ? null : row.score_hundredths / 100,
    position_s: row.position_ms / 1000,
    time_spent_s: row.time_spent_s,
    started_at: seconds(row.started_at),
    completed_at: seconds(row.completed_at),
});
