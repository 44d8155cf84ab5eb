// Progress that could not be sent (offline, a page closed at a bad moment) is kept on this device, per user and item, and sent later.
import { ApiError, request } from "./api.js";

const PREFIX = "firstbell.progress";
const KEEP_MS = 14 * 24 * 3600 * 1000;

export const leftOverKey = (userId, itemId) => `${PREFIX}.${userId}.${itemId}`;

/** localStorage may be full, forbidden or absent (private windows): then we simply keep nothing. */
export function keep(key, save) {
  try {
    localStorage.setItem(key, JSON.stringify({ at: Date.now(), save }));
  } catch {
    /* nothing to be done */
  }
}

export function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    /* nothing to be done */
  }
}

function kept(userId) {
  const found = [];
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      const match = key.startsWith(`${PREFIX}.${userId}.`) && /\.(\d+)$/.exec(key);
      if (match) found.push({ key, itemId: match[1], ...JSON.parse(localStorage.getItem(key)) });
    }
  } catch {
    /* unreadable: treated as empty */
  }
  return found;
}

/**
 * Sends what is left from earlier, before a page asks for progress. Never holds a page up for long: what fails stays for the next time.
 * @param {number} userId
 */
export async function sendLeftOvers(userId, { waitMs = 3000 } = {}) {
  const signal = AbortSignal.timeout ? AbortSignal.timeout(waitMs) : undefined;
  for (const { key, itemId, at, save } of kept(userId)) {
    if (!save || Date.now() - at > KEEP_MS) {
      forget(key);
      continue;
    }
    try {
      await request("PUT", `/api/v1/items/${itemId}/progress`, { body: save, signal });
      forget(key);
    } catch (error) {
      if (!(error instanceof ApiError) || error.passing || error.status === 401) return;
      forget(key); // refused for good: locked, gone, or not ours any more
    }
  }
}
