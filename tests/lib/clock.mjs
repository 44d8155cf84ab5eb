// Wall clocks that a test sets while programs run: clock.c, preloaded. A preloaded library and a sanitizer do not go together: what runs under such a
// clock is of the release build. (libfaketime, which other tests use, does not go together with Redis' memory allocator.)

import { execFileSync } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';

import { checkout } from './app.mjs';

/** A clock: {under, set(seconds)}. `under` is a command to run a program with; set() says how many seconds it is ahead of the right one, 0 at first. */
export function newClock(place, name = 'clock') {
    const library = place.path(`${name}.so`);
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-o', library, path.join(checkout, 'tests/lib/clock.c')]);
    const file = place.write(name, Buffer.alloc(8));
    const fd = openSync(file, 'r+');
    return {
        under: ['env', `LD_PRELOAD=${library}`, `FB_CLOCK=${file}`], // of the program, not of what becomes its user
        set(seconds) {
            const bytes = Buffer.alloc(8);
            bytes.writeBigInt64LE(BigInt(seconds));
            writeSync(fd, bytes, 0, 8, 0);
        },
    };
}
