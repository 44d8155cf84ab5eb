// What processes cost: CPU time and memory, from /proc.

import { readFileSync, readdirSync } from 'node:fs';

import { children } from '../../tests/lib/run.mjs';

/** A process and all below it. */
export function family(pid) {
    try {
        return [pid, ...children(pid).flatMap(family)];
    } catch {
        return []; // gone meanwhile
    }
}

/** Microseconds of CPU that these processes have used, all their threads together, and those of their children that have ended. */
export function cpuMicroseconds(pids) {
    return pids.reduce((sum, pid) => sum + ofEndedChildren(pid), 0) + pids.reduce((sum, pid) => sum + threads(pid).reduce((s, thread) => s + onCpu(`/proc/${pid}/task/${thread}/schedstat`), 0), 0) / 1000;
}

const TICK_US = 10_000; // of /proc/PID/stat

function ofEndedChildren(pid) {
    try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' '); // from the third on
        return (Number(fields[13]) + Number(fields[14])) * TICK_US;
    } catch {
        return 0;
    }
}

function threads(pid) {
    try {
        return readdirSync(`/proc/${pid}/task`);
    } catch {
        return [];
    }
}

function onCpu(file) {
    try {
        return Number(readFileSync(file, 'utf8').split(' ')[0]);
    } catch {
        return 0;
    }
}

/** {rss, pss} in MiB: what is mapped and present, and the same with shared pages divided among those who share them. */
export function memory(pid) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const mib = (name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]) / 1024;
    return { rss: mib('Rss'), pss: mib('Pss') };
}
