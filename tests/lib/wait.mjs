// Waiting for a state, bounded, in place of sleeping.

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Calls `condition` (may be async) until it gives something true, and gives that back. After `seconds` it fails with `what`, a phrase such as
 *  "the api to answer /readyz", and with the last error that `condition` threw; at once with one that says `hopeless`. */
export async function waitFor(what, condition, seconds = 60) {
    const end = performance.now() + seconds * 1000;
    let pause = 5;
    let lastError;
    for (;;) {
        try {
            const value = await condition();
            if (value) return value;
            lastError = undefined;
        } catch (error) {
            if (error.hopeless) throw error;
            lastError = error;
        }
        if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`, { cause: lastError });
        await delay(pause);
        pause = Math.min(pause * 1.5, 100);
    }
}
