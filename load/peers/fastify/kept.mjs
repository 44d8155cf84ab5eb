// The variant that keeps between requests what a course consists of, as origin/courses/outline.c does: a request reads what is the student's own
// and the version of the course's content; modules, lessons, items and prerequisites come from memory when they are of that version, and are read
// in a second transaction when not.

import { contentItems, contentPrerequisites, own } from './sql.mjs';

const COURSES_MAX = 200; // kept by a process; the longest unused goes first
const STUDENT = 3;
const COMPLETED = 2;
const KINDS = ['unknown', 'video', 'reading', 'quiz', 'assignment'];
const STATUSES = ['not_started', 'in_progress', 'completed'];
const NOTHING = { status: 0, percent: 0, score: null, position_ms: 0, time_spent_s: 0, started_at: null, completed_at: null };

export class KeptCourses {
    constructor(database) {
        this.database = database;
        this.courses = new Map();
    }

    /** The answer, or undefined when the course is not the user's. */
    async read(tenant, user, courseId) {
        const statement = { name: 'course_own', text: own, values: [tenant, user.sub, courseId], rowMode: 'array' };
        const [{ rows }] = await this.database.transaction(tenant, user, [statement]);
        if (rows.length === 0) return undefined;
        const [version, id, title, classTitle, role] = rows[0];
        const content = this.get(tenant, courseId, version) ?? (await this.fetch(tenant, user, courseId, version));
        return answer(content, { id, title, class_title: classTitle }, role === STUDENT, new Map(rows.map((row) => [row[5], progressOf(row)])));
    }

    get(tenant, courseId, version) {
        const key = `${tenant}/${courseId}`;
        const kept = this.courses.get(key);
        if (kept?.version !== version) return undefined;
        this.courses.delete(key); // to the end of the Map's order: used last
        this.courses.set(key, kept);
        return kept;
    }

    async fetch(tenant, user, courseId, version) {
        const values = [tenant, courseId];
        const [items, prerequisites] = await this.database.transaction(tenant, user, [
            { name: 'course_items', text: contentItems, values, rowMode: 'array' },
            { name: 'course_prerequisites', text: contentPrerequisites, values, rowMode: 'array' },
        ]);
        const content = contentOf(items.rows, prerequisites.rows);
        if (content.version === version) {
            if (this.courses.size >= COURSES_MAX) this.courses.delete(this.courses.keys().next().value);
            this.courses.set(`${tenant}/${courseId}`, content);
        }
        return content;
    }
}

function contentOf(rows, prerequisites) {
    const content = { version: rows[0]?.[0], count: rows.length, modules: [] };
    const wanted = new Map(rows.map((row) => [row[5], []]));
    for (const [itemId, id, title, minimum] of prerequisites) wanted.get(itemId)?.push({ id, title, minimum });
    let module, lesson;
    for (const [, moduleId, moduleTitle, lessonId, lessonTitle, id, kind, title] of rows) {
        if (module?.id !== moduleId) {
            module = { id: moduleId, title: moduleTitle, lessons: [] };
            content.modules.push(module);
            lesson = undefined;
        }
        if (lesson?.id !== lessonId) {
            lesson = { id: lessonId, title: lessonTitle, items: [] };
            module.lessons.push(lesson);
        }
        lesson.items.push({ id, kind: KINDS[kind], title, wants: wanted.get(id) });
    }
    return content;
}

function progressOf(row) {
    return { status: row[6], percent: row[7], score: row[8], position_ms: row[9], time_spent_s: row[10], started_at: row[11], completed_at: row[12] };
}

function answer(content, head, isStudent, done) {
    let sum = 0;
    const withProgress = (item) => {
        const progress = done.get(item.id) ?? NOTHING;
        sum += progress.percent;
        return itemOf(item, progress, isStudent ? item.wants.filter((wanted) => !isMet(wanted, done.get(wanted.id))) : [], done);
    };
    const modules = content.modules.map((module) => ({
        id: module.id,
        title: module.title,
        lessons: module.lessons.map((lesson) => ({ id: lesson.id, title: lesson.title, items: lesson.items.map(withProgress) })),
    }));
    const percent = content.count > 0 ? Math.floor((sum + Math.floor(content.count / 2)) / content.count) : 0;
    return { ...head, percent, modules };
}

function itemOf(item, progress, unmet, done) {
    return {
        id: item.id,
        kind: item.kind,
        title: item.title,
        status: STATUSES[progress.status],
        percent: progress.percent,
        score: score(progress.score),
        position_s: progress.position_ms / 1000,
        time_spent_s: progress.time_spent_s,
        started_at: time(progress.started_at),
        completed_at: time(progress.completed_at),
        locked: unmet.length > 0,
        missing: unmet.map((wanted) => ({
            item_id: wanted.id,
            title: wanted.title,
            need_score: score(wanted.minimum),
            have_score: score(done.get(wanted.id)?.score ?? null),
        })),
    };
}

function isMet(wanted, had) {
    return had?.status === COMPLETED && (wanted.minimum === null || (had.score ?? 0) >= wanted.minimum);
}

const score = (hundredths) => (hundredths === null ? null : hundredths / 100);
const time = (seconds) => (seconds === null ? null : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`);
