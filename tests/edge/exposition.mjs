// A strict reader of Prometheus' text exposition format, version 0.0.4: what it does not know for certain is an error.

import assert from 'node:assert/strict';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const VALUE = /^-?(\d+(\.\d+)?)$/;

/** Families by name: {type, help, samples: [{labels, value}]}. */
export function parseExposition(text) {
    assert.ok(text.endsWith('\n'), 'the last line ends');
    const families = {};
    let family;
    for (const line of text.slice(0, -1).split('\n')) {
        if (line.startsWith('# ')) family = readComment(line, families, family);
        else readSample(line, families, family);
    }
    for (const [name, { type, samples }] of Object.entries(families)) {
        assert.ok(type, `${name} has a type`);
        assert.ok(samples.length > 0, `${name} has a sample`);
    }
    return families;
}

function readComment(line, families, family) {
    const [, what, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? assert.fail(line);
    assert.match(name, NAME);
    if (what === 'HELP') {
        assert.ok(!families[name], `${name} is one block`);
        families[name] = { help: unescape(rest, /\\(\\|n)/), samples: [] };
        return name;
    }
    families[name] ??= { samples: [] };
    assert.ok(!families[name].type && families[name].samples.length === 0, `${name} has one type, before its samples`);
    assert.ok(!families[name].help || family === name, `${name} is one block`);
    assert.ok(['counter', 'gauge'].includes(rest), line);
    assert.equal(rest === 'counter', name.endsWith('_total'), line);
    families[name].type = rest;
    return name;
}

function readSample(line, families, family) {
    const [, name, , inside, value] = /^([^{ ]+)(\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(line);
    assert.equal(name, family, `${line} stands under its own family`);
    assert.match(value, VALUE, line);
    const labels = readLabels(inside, line);
    assert.ok(!families[name].samples.some((other) => JSON.stringify(other.labels) === JSON.stringify(labels)), `${line} is there once`);
    families[name].samples.push({ labels, value: Number(value) });
}

function readLabels(inside, line) {
    const labels = {};
    if (inside === undefined) return labels;
    let rest = inside;
    while (rest) {
        const [all, name, value] = /^([^=]+)="((?:[^"\\]|\\.)*)"(?:,(?=.)|$)/.exec(rest) ?? assert.fail(`${line}: ${rest}`);
        assert.match(name, LABEL);
        assert.ok(!(name in labels), line);
        labels[name] = unescape(value, /\\(\\|"|n)/);
        rest = rest.slice(all.length);
    }
    assert.ok(Object.keys(labels).length > 0, line);
    return labels;
}

function unescape(text, allowed) {
    return text.replace(/\\(.)/g, (pair, c) => {
        assert.match(pair, allowed);
        return c === 'n' ? '\n' : c;
    });
}

/** The one value of a family, or that of the sample with those labels. */
export function value(families, name, labels = {}) {
    const sample = families[name]?.samples.find((one) => Object.entries(labels).every(([key, text]) => one.labels[key] === text));
    assert.ok(sample, `${name} ${JSON.stringify(labels)}`);
    return sample.value;
}
