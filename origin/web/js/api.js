// Calls to the origin. Errors are problem+json (RFC 9457); what went wrong below HTTP is status 0.

export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 when no answer came
   * @param {{type?: string, title?: string, detail?: string, request_id?: string}} problem
   * @param {number|null} retryAfterS seconds the origin asks us to wait
   */
  constructor(status, problem, retryAfterS) {
    super(problem.detail || problem.title || (status ? `The server answered ${status}.` : "The server could not be reached."));
    this.status = status;
    this.problem = (problem.type || "").split("/").pop();
    this.requestId = problem.request_id || "";
    this.retryAfterS = retryAfterS;
  }

  /** Worth asking again: nothing is wrong with the request itself. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

async function problemOf(response) {
  const type = response.headers.get("Content-Type") || "";
  if (!/\bjson\b/.test(type)) return {};
  try {
    return (await response.json()) || {};
  } catch {
    return {};
  }
}

function retryAfter(response) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") || "", 10);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 300) : null;
}

/**
 * One request. Gives the parsed body, or null when there is none (204).
 * @throws {ApiError}
 */
export async function request(method, path, { body, keepalive = false, signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      keepalive,
      signal,
      cache: "no-store",
      credentials: "same-origin",
      headers: body === undefined ? { Accept: "application/json" } : { Accept: "application/json", "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {}, null);
  }
  if (!response.ok) throw new ApiError(response.status, await problemOf(response), retryAfter(response));
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new ApiError(0, { detail: "The answer of the server could not be read." }, null);
  }
}

/**
 * Seconds to wait before the next try: doubling from 1 to 60 with a random part, so that a whole school does not come back in the same instant;
 * never less than the origin asked for.
 */
export function backoffS(tries, retryAfterS = null, random = Math.random) {
  const grown = Math.min(60, 2 ** tries) * (0.5 + random() / 2);
  return retryAfterS === null ? grown : retryAfterS + grown / 2;
}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/**
 * GET that waits out a busy or unreachable server.
 * @param {string} path
 * @param {{tries?: number, onWait?: (error: ApiError, seconds: number) => void}} [options]
 */
export async function get(path, { tries = 4, onWait = () => {} } = {}) {
  for (let tried = 0; ; tried++) {
    try {
      return await request("GET", path);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.passing || tried + 1 >= tries) throw error;
      const seconds = backoffS(tried, error.retryAfterS);
      onWait(error, seconds);
      await sleep(seconds);
    }
  }
}

/** Where to go back to after signing in: a path of this site, nothing else. */
export function safeNext(next) {
  return typeof next === "string" && /^\/(?![/\\])[^\\\x00-\x1f]*$/.test(next) ? next : null;
}

export function signInAgain() {
  const here = location.pathname + location.search + location.hash;
  location.replace(`/sign-in?next=${encodeURIComponent(here)}`);
}
