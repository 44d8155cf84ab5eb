// The response schema, with which fastify compiles a serializer (fast-json-stringify).

const string = { type: 'string' };
const integer = { type: 'integer' };
const number = { type: 'number' };
const nullable = (type) => ({ ...type, nullable: true });
const object = (properties) => ({ type: 'object', properties });
const array = (items) => ({ type: 'array', items });

const item = object({
    id: integer,
    kind: string,
    title: string,
    status: string,
    percent: integer,
    score: nullable(number),
    position_s: number,
    time_spent_s: integer,
    started_at: nullable(string),
    completed_at: nullable(string),
    locked: { type: 'boolean' },
    missing: array(object({ item_id: integer, title: string, need_score: nullable(number), have_score: nullable(number) })),
});
const lesson = object({ id: integer, title: string, items: array(item) });
const module = object({ id: integer, title: string, lessons: array(lesson) });

export const courseSchema = {
    params: object({ id: integer }),
    response: { 200: object({ id: integer, title: string, class_title: string, percent: integer, modules: array(module) }) },
};
