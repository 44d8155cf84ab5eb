// The program behind load/run: finds the scenario, runs it in a place of its own, writes its report.

import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { checkout } from '../../tests/lib/app.mjs';
import { newPlace } from '../../tests/lib/place.mjs';
import { Report } from './report.mjs';

const scenarios = path.join(checkout, 'load/scenarios');

const { values, positionals } = parseArgs({ allowPositionals: true, options: {
    quick: { type: 'boolean', default: false },
    'without-peers': { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(checkout, 'run/reports') },
} });
process.exitCode = positionals.length === 0 ? await list() : await play(positionals[0]);

async function list() {
    console.log('usage: load/run NAME [--quick] [--without-peers] [--out DIR]');
    for (const file of readdirSync(scenarios).filter((name) => name.endsWith('.mjs')).sort()) {
        const { title } = await import(path.join(scenarios, file));
        console.log(`  ${path.basename(file, '.mjs').padEnd(10)} ${title}`);
    }
    return 0;
}

async function play(name) {
    const scenario = await import(path.join(scenarios, `${name}.mjs`));
    mkdirSync(values.out, { recursive: true });
    const report = new Report(name, { quick: values.quick });
    const place = newPlace();
    try {
        await scenario.play(place, report, { quick: values.quick, withPeers: !values['without-peers'], say: (line) => console.log(`  ${line}`) });
    } finally {
        await place.stop();
    }
    console.log(report.table());
    console.log(`written: ${report.write(values.out)}`);
    return report.holds() ? 0 : 1;
}
