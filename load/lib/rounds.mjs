// Rounds: every contender is measured once a round, in an order that turns, so that what else the machine does strikes all alike.

import { median } from './report.mjs';

/** Calls measureOne(contender) `rounds` times for each. Gives a Map from contender to its results, one a round. */
export async function playRounds(contenders, rounds, measureOne) {
    const results = new Map(contenders.map((contender) => [contender, []]));
    for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < contenders.length; i++) {
            const contender = contenders[(i + round) % contenders.length];
            results.get(contender).push(await measureOne(contender, round));
        }
    }
    return results;
}

/** What is compared: our median and best against the best peer of each round. Gives {ours, best, ratio, peer, peerBest, peerName}; `ratio` is the
 *  median of the rounds' ratios, because a round's figures were made on the same machine in the same seconds. */
export function compare(results, us, value) {
    const ours = results.get(us).map(value);
    const peers = [...results.keys()].filter((contender) => contender !== us);
    if (peers.length === 0) return { ours: median(ours), best: Math.max(...ours), ratio: null, peer: null, peerBest: null, peerName: null };
    const perRound = ours.map((_, round) => Math.max(...peers.map((peer) => value(results.get(peer)[round]))));
    const strongest = peers.reduce((a, b) => (median(results.get(a).map(value)) >= median(results.get(b).map(value)) ? a : b));
    return {
        ours: median(ours),
        best: Math.max(...ours),
        ratio: median(ours.map((mine, round) => mine / perRound[round])),
        peer: median(perRound),
        peerBest: Math.max(...perRound),
        peerName: strongest.name,
        strongest,
    };
}
