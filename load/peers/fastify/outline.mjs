// From the rows of the two statements to the answer; the columns are those of origin/courses/outline.c.

const KINDS = ['unknown', 'video', 'reading', 'quiz', 'assignment'];
const STATUSES = ['not_started', 'in_progress', 'completed'];

export function course(head, rows) {
    const modules = [];
    let module, lesson;
    let sum = 0;
    for (const row of rows) {
        if (module?.id !== row[0]) {
            module = { id: row[0], title: row[1], lessons: [] };
            modules.push(module);
            lesson = undefined;
        }
        if (lesson?.id !== row[2]) {
            lesson = { id: row[2], title: row[3], items: [] };
            module.lessons.push(lesson);
        }
        lesson.items.push(item(row));
        sum += row[9];
    }
    const percent = rows.length > 0 ? Math.floor((sum + Math.floor(rows.length / 2)) / rows.length) : 0;
    return { id: head.id, title: head.title, class_title: head.class_title, percent, modules };
}

function item(row) {
    return {
        id: row[4],
        kind: KINDS[row[5]],
        title: row[6],
        status: STATUSES[row[8]],
        percent: row[9],
        score: row[10] === null ? null : row[10] / 100,
        position_s: row[11] / 1000,
        time_spent_s: row[12],
        started_at: row[13],
        completed_at: row[14],
        locked: row[7] !== null,
        missing: row[7] ?? [],
    };
}
