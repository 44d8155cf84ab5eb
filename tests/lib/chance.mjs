// Chance with a seed. FB_CHAOS_SEED=N plays the same choices again; the moments at which they strike are the machine's.

/** Numbers by chance: {seed, below(n), pick(list)}. The seed is printed, so that a run can be played again. */
export function chance() {
    const seed = Number(process.env.FB_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`# FB_CHAOS_SEED=${seed}`);
    let state = seed >>> 0;
    const next = () => { // mulberry32
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const below = (n) => Math.floor(next() * n);
    return { seed, below, pick: (list) => list[below(list.length)] };
}
