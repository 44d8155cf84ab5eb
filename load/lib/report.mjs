// A report: rows of a case, our value, the peer's, their ratio, the bar and whether it holds; what it was measured on and when.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { checkout } from '../../tests/lib/app.mjs';
import { postgresBin } from '../../tests/lib/server-postgres.mjs';

export class Report {
    constructor(name, { quick = false } = {}) {
        this.head = { name, date: new Date().toISOString().slice(0, 19) + 'Z', commit: commit(), machine: machine(), quick };
        this.rows = [];
        this.notes = [];
    }

    /** bar: {ratio_min} or {value_max} or nothing. A row without a value fails, with `why`; so does one without the peer that its bar needs. */
    row({ name, value = null, unit, peer = null, ratio = value !== null && peer ? value / peer : null, bar = null, why = null }) {
        const holds = judge(value, ratio, bar) && !why;
        this.rows.push({ case: name, value: round(value), unit, peer_value: round(peer), ratio: round(ratio), bar: barText(bar), holds, ...(why && { why }) });
    }

    /** A sentence that belongs to the figures, such as what the peer is. */
    note(sentence) {
        this.notes.push(sentence);
    }

    holds() {
        return this.rows.length > 0 && this.rows.every((row) => row.holds);
    }

    write(folder) {
        const file = path.join(folder, `${this.head.name}.json`);
        writeFileSync(file, `${JSON.stringify({ ...this.head, rows: this.rows, notes: this.notes }, null, 2)}\n`);
        return file;
    }

    table() {
        const titles = ['case', 'value', 'unit', 'peer', 'ratio', 'bar', 'holds'];
        const cells = this.rows.map((r) => [r.case, show(r.value), r.unit, show(r.peer_value), show(r.ratio), r.bar ?? '', r.why ?? (r.holds ? 'yes' : 'NO')]);
        const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)));
        const line = (row) => `  ${row.map((cell, i) => (i === 0 || i > 4 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}`.trimEnd();
        const { name, date, commit: at, machine: on } = this.head;
        return [`${name}, ${date}, ${at}, ${on}`, line(titles), ...cells.map(line), ...this.notes.map((note) => `  ${note}`)].join('\n');
    }
}

function judge(value, ratio, bar) {
    if (value === null) return false;
    if (bar?.ratio_min !== undefined) return ratio !== null && ratio >= bar.ratio_min;
    if (bar?.value_max !== undefined) return value < bar.value_max;
    return true;
}

function barText(bar) {
    if (bar?.ratio_min !== undefined) return `>= ${bar.ratio_min} x peer`;
    return bar?.value_max !== undefined ? `< ${bar.value_max}` : null;
}

const round = (n) => (n === null ? null : Number(n.toPrecision(4)));
const show = (n) => (n === null ? '-' : String(n));

function commit() {
    const git = (...args) => execFileSync('git', args, { cwd: checkout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    try {
        return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? ' and changes' : '');
    } catch {
        return 'unknown';
    }
}

function machine() {
    const model = readFileSync('/proc/cpuinfo', 'utf8').match(/^model name\s*:\s*(.*)$/m)?.[1] ?? os.arch();
    return `${os.cpus().length} x ${model}, Linux ${os.release()}, PostgreSQL ${postgresBin().split('/').at(-2)}`;
}

export function median(numbers) {
    const sorted = [...numbers].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
